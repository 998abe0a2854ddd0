//! Two sides prove to each other that they know the job's secret.
//!
//! Each sends a fresh nonce; the accepting side proves itself first, then the connecting side, by
//! HMAC-SHA256 over both nonces and its message. One answer goes back, proven in the same way.
//! Rules: HS-1 no byte of a message is looked at before its proof holds. HS-2 every wait has a
//! deadline, every length a cap. HS-3 the two sides' proofs differ, so none can be sent back to its
//! maker. Absent on purpose: keys for what comes later, which goes as it is.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::secret::{BYTES, Secret, random};

/// What every connection of ours begins with.
const MAGIC: [u8; 7] = *b"SCHLIFF";
/// Grows with every change of what is said here or in `message`.
const VERSION: u8 = 1;
const HELLO_BYTES: usize = MAGIC.len() + 1 + BYTES;
/// Longest message of a connecting side: a few numbers and an address.
const MOST_MESSAGE_BYTES: usize = 4 << 10;
/// Longest answer: the addresses of all ranks.
const MOST_ANSWER_BYTES: usize = 4 << 20;

/// Why two sides do not come together.
#[derive(Debug, Error)]
pub(super) enum HandshakeError {
    /// Somebody else answers there.
    #[error("what answers there is not Schliff")]
    Stranger,
    /// Two builds of Schliff.
    #[error(
        "it speaks version {0} of the protocol, here it is {VERSION}; use one build of Schliff"
    )]
    Version(u8),
    /// It does not belong to the job.
    #[error("it does not know this job's secret")]
    Secret,
    /// A length that cannot be.
    #[error("it announced {0} bytes, which is too many")]
    Length(usize),
    /// The connection.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What two sides said to each other first; binds later proofs to this connection.
#[derive(Clone)]
pub(super) struct Session {
    connecting: [u8; HELLO_BYTES],
    accepting: [u8; HELLO_BYTES],
}

impl Session {
    fn parts<'a>(&'a self, label: &'a [u8], message: &'a [u8]) -> [&'a [u8]; 4] {
        [label, &self.connecting, &self.accepting, message]
    }
}

/// A stream whose every wait ends at one deadline.
struct Until<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Until<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it did not answer in time",
            ));
        }
        Ok(Some(left))
    }
}

/// A socket that waited for too long says `WouldBlock`, which tells a user nothing.
fn late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time")
        }
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")
        }
        _ => error,
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(late)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hello() -> io::Result<[u8; HELLO_BYTES]> {
    let mut hello = [0; HELLO_BYTES];
    hello[..MAGIC.len()].copy_from_slice(&MAGIC);
    hello[MAGIC.len()] = VERSION;
    hello[MAGIC.len() + 1..].copy_from_slice(&random()?);
    Ok(hello)
}

fn check_hello(hello: &[u8; HELLO_BYTES]) -> Result<(), HandshakeError> {
    if hello[..MAGIC.len()] != MAGIC {
        return Err(HandshakeError::Stranger);
    }
    match hello[MAGIC.len()] {
        VERSION => Ok(()),
        other => Err(HandshakeError::Version(other)),
    }
}

/// Reads exactly as many bytes as the array has.
fn array<const N: usize>(stream: &mut Until<'_>) -> Result<[u8; N], HandshakeError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).map_err(late)?;
    Ok(bytes)
}

/// A length, a proof and the message that it proves.
fn read_proven(
    stream: &mut Until<'_>,
    secret: &Secret,
    (session, label): (&Session, &[u8]),
    most: usize,
) -> Result<Vec<u8>, HandshakeError> {
    let length = u32::from_le_bytes(array(stream)?) as usize;
    if length > most {
        return Err(HandshakeError::Length(length));
    }
    let proof = array::<BYTES>(stream)?;
    let mut message = vec![0; length];
    stream.read_exact(&mut message).map_err(late)?;
    if !secret.is_proof(&session.parts(label, &message), &proof) {
        return Err(HandshakeError::Secret);
    }
    Ok(message)
}

fn write_proven(
    stream: &mut Until<'_>,
    secret: &Secret,
    (session, label): (&Session, &[u8]),
    message: &[u8],
) -> Result<(), HandshakeError> {
    let length = u32::try_from(message.len()).map_err(|_| HandshakeError::Length(message.len()))?;
    let proof = secret.prove(&session.parts(label, message));
    let mut bytes = Vec::with_capacity(4 + BYTES + message.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&proof);
    bytes.extend_from_slice(message);
    Ok(stream.write_all(&bytes)?)
}

/// The connecting side: proves itself and sends `message`.
pub(super) fn connect(
    stream: &TcpStream,
    secret: &Secret,
    message: &[u8],
    deadline: Instant,
) -> Result<Session, HandshakeError> {
    let mut stream = Until { stream, deadline };
    let connecting = hello()?;
    stream.write_all(&connecting)?;
    let accepting = array(&mut stream)?;
    check_hello(&accepting)?;
    let session = Session {
        connecting,
        accepting,
    };
    read_proven(&mut stream, secret, (&session, b"accepting"), 0)?;
    write_proven(&mut stream, secret, (&session, b"connecting"), message)?;
    Ok(session)
}

/// The accepting side: proves itself and gives the other's message.
pub(super) fn accept(
    stream: &TcpStream,
    secret: &Secret,
    deadline: Instant,
) -> Result<(Session, Vec<u8>), HandshakeError> {
    let mut stream = Until { stream, deadline };
    let connecting = array(&mut stream)?;
    let accepting = hello()?;
    let checked = check_hello(&connecting);
    // Another version of us learns ours, so that it can say so; a stranger learns nothing.
    if !matches!(checked, Err(HandshakeError::Stranger)) {
        stream.write_all(&accepting)?;
    }
    checked?;
    let session = Session {
        connecting,
        accepting,
    };
    write_proven(&mut stream, secret, (&session, b"accepting"), b"")?;
    let label = (&session, b"connecting".as_slice());
    let message = read_proven(&mut stream, secret, label, MOST_MESSAGE_BYTES)?;
    Ok((session, message))
}

/// The accepting side's answer.
pub(super) fn answer(
    stream: &TcpStream,
    secret: &Secret,
    session: &Session,
    (message, deadline): (&[u8], Instant),
) -> Result<(), HandshakeError> {
    let mut stream = Until { stream, deadline };
    write_proven(&mut stream, secret, (session, b"answer"), message)
}

/// Waits for the answer. At the deadline it closes its own direction, by which the other side knows
/// that it has to say now why there is none yet, and waits for `grace` more.
pub(super) fn read_answer(
    stream: &TcpStream,
    secret: &Secret,
    session: &Session,
    (deadline, grace): (Instant, Duration),
) -> Result<Vec<u8>, HandshakeError> {
    let first = stream.set_read_timeout(Until { stream, deadline }.left().unwrap_or(SHORTEST));
    first?;
    if let Err(error) = stream.peek(&mut [0])
        && error.kind() == io::ErrorKind::WouldBlock
    {
        stream.shutdown(Shutdown::Write)?;
    }
    let deadline = deadline.max(Instant::now()) + grace;
    let mut stream = Until { stream, deadline };
    read_proven(&mut stream, secret, (session, b"answer"), MOST_ANSWER_BYTES)
}

/// A socket takes no zero as its time limit.
const SHORTEST: Option<Duration> = Some(Duration::from_millis(1));
