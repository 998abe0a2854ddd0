//! Who is let in, and what strangers can do to the others.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use schliff_collective::CollectiveError;
use schliff_collective::rendezvous::{Limits, Secret, Server, join};
use schliff_spec::place::{CollectiveKind, Place};

use crate::group::{Joined, LIMITS, LOOPBACK, Meeting};

/// A limit that a test waits for.
const SHORT: Limits = Limits {
    join: Duration::from_millis(300),
    operation: Duration::from_secs(30),
};
/// Far less than the limits, far more than a loaded machine needs.
const AT_ONCE: Duration = Duration::from_secs(10);

#[track_caller]
fn words(joined: Joined) -> String {
    match joined {
        Ok(_) => panic!("it joined"),
        Err(error @ CollectiveError::Join { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn another_secret_is_refused_at_once_and_disturbs_nobody() {
    let meeting = Meeting::new();
    let other = meeting.secret_file.with_file_name("other");
    Secret::generate()
        .expect("randomness")
        .write(&other)
        .expect("written");
    meeting.server.expect(1, 2);
    let mut wrong = meeting.place(1, 2, 0);
    wrong.rendezvous.as_mut().expect("one").secret_file = other;
    let start = Instant::now();
    let told = words(join(&wrong, &LIMITS));
    assert!(told.contains("secret"), "{told}");
    assert!(start.elapsed() < AT_ONCE);
    assert_eq!(meeting.server.joined(), 0);
    meeting.run((1, 2), LIMITS, |_, group| {
        group.expect("joined").barrier().expect("both")
    });
}

#[test]
fn older_generations_and_other_world_sizes_are_refused_in_words() {
    let meeting = Meeting::new();
    meeting.server.expect(5, 2);
    let told = words(join(&meeting.place(4, 2, 0), &LIMITS));
    assert!(told.contains("generation 4 is over"), "{told}");
    let told = words(join(&meeting.place(5, 4, 0), &LIMITS));
    assert!(
        told.contains("expects 4 ranks, generation 5 has 2"),
        "{told}"
    );
}

#[test]
fn a_rank_learns_for_whom_it_waited_in_vain() {
    let meeting = Meeting::new();
    meeting.server.expect(1, 4);
    let told = words(join(&meeting.place(1, 4, 2), &SHORT));
    assert!(told.contains("ranks 0, 1, 3 did not come"), "{told}");
    let told = words(join(&meeting.place(2, 4, 2), &SHORT));
    assert!(
        told.contains("generation 2 has not been opened, 1 is the newest"),
        "{told}"
    );
    assert_eq!(meeting.server.joined(), 0);
}

#[test]
fn members_of_an_older_generation_are_sent_away_when_a_newer_begins() {
    let meeting = Meeting::new();
    meeting.server.expect(1, 2);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| words(join(&meeting.place(1, 2, 0), &LIMITS)));
        wait_until(|| meeting.server.joined() == 1);
        let start = Instant::now();
        meeting.server.expect(2, 2);
        let told = waiting.join().expect("no panic");
        assert!(told.contains("generation 2 has begun"), "{told}");
        assert!(start.elapsed() < AT_ONCE);
    });
}

#[test]
fn a_rank_that_is_there_already_is_refused_until_the_first_has_gone() {
    let meeting = Meeting::new();
    meeting.server.expect(1, 2);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| words(join(&meeting.place(1, 2, 0), &SHORT)));
        wait_until(|| meeting.server.joined() == 1);
        let told = words(join(&meeting.place(1, 2, 0), &LIMITS));
        assert!(told.contains("rank 0 is there already"), "{told}");
        first.join().expect("no panic");
    });
    meeting.run((1, 2), LIMITS, |_, group| {
        group.expect("joined").barrier().expect("both")
    });
}

#[test]
fn a_server_that_ends_says_so() {
    let meeting = Meeting::new();
    meeting.server.expect(1, 2);
    let place = meeting.place(1, 2, 0);
    let Meeting { server, .. } = &meeting;
    std::thread::scope(|scope| {
        let (address, secret) = (
            server.address(),
            Secret::read(&meeting.secret_file).expect("read"),
        );
        let second = Server::start((LOOPBACK, 0).into(), secret).expect("started");
        assert_ne!(second.address(), address);
        second.expect(1, 2);
        let mut place = place;
        place.rendezvous.as_mut().expect("one").address = second.address().to_string();
        let waiting = scope.spawn(move || words(join(&place, &LIMITS)));
        wait_until(|| second.joined() == 1);
        drop(second);
        let told = waiting.join().expect("no panic");
        assert!(told.contains("the rendezvous has ended"), "{told}");
    });
}

#[test]
fn strangers_and_slow_ones_do_not_disturb_a_group() {
    let meeting = Meeting::new();
    let address = meeting.server.address();
    let silent: Vec<_> = (0..300)
        .map(|_| TcpStream::connect(address).expect("connected"))
        .collect();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 4096],
        b"SCHLIFF",
        b"",
    ] {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(garbage).expect("sent");
    }
    let mut huge = TcpStream::connect(address).expect("connected");
    let mut hello = b"SCHLIFF\x01".to_vec();
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&u32::MAX.to_le_bytes());
    huge.write_all(&hello).expect("sent");
    meeting.run((1, 4), LIMITS, |_, group| {
        group.expect("joined").barrier().expect("all")
    });
    huge.set_read_timeout(Some(AT_ONCE)).expect("set");
    let mut answer = Vec::new();
    // It is closed once the length is seen; a reset is as good an end.
    let _ = huge.read_to_end(&mut answer);
    assert!(
        answer.len() < 100,
        "only a hello and a proof: {}",
        answer.len()
    );
    drop(silent);
}

#[test]
fn another_version_of_the_protocol_is_told_apart_from_a_stranger() {
    let meeting = Meeting::new();
    let listener = std::net::TcpListener::bind((LOOPBACK, 0)).expect("bound");
    for (hello, wanted) in [
        (&b"SCHLIFF\x09"[..], "version 9"),
        (b"HTTP/1.1", "not Schliff"),
    ] {
        let mut place = meeting.place(1, 2, 0);
        let address = listener.local_addr().expect("an address").to_string();
        place.rendezvous.as_mut().expect("one").address = address;
        std::thread::scope(|scope| {
            let joining = scope.spawn(move || words(join(&place, &LIMITS)));
            let (mut stream, _) = listener.accept().expect("a member");
            stream.write_all(hello).expect("sent");
            stream.write_all(&[0; 32]).expect("sent");
            let told = joining.join().expect("no panic");
            assert!(told.contains(wanted), "{told}");
        });
    }
}

#[test]
fn places_that_cannot_be_are_told() {
    let meeting = Meeting::new();
    meeting.server.expect(1, 2);
    let told = |change: &dyn Fn(&mut Place)| {
        let mut place = meeting.place(1, 2, 0);
        change(&mut place);
        words(join(&place, &SHORT))
    };
    assert!(told(&|place| place.rendezvous = None).contains("without one"));
    assert!(told(&|place| place.world_size = 3).contains("power of two"));
    assert!(told(&|place| place.rank = 2).contains("power of two"));
    let listen = |place: &mut Place| {
        place.rendezvous.as_mut().expect("one").listen = IpAddr::from([0, 0, 0, 0]);
    };
    assert!(told(&listen).contains("one of its addresses"));
    let nobody = |place: &mut Place| {
        place.rendezvous.as_mut().expect("one").address = "127.0.0.1:1".into();
    };
    assert!(told(&nobody).contains("is the rendezvous running"));
    let open = meeting.secret_file.with_file_name("open");
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .mode(0o644)
        .open(&open)
        .expect("made");
    let insecure = |place: &mut Place| {
        place.rendezvous.as_mut().expect("one").secret_file = open.clone();
    };
    assert!(told(&insecure).contains("chmod 600"));
}

#[test]
fn kinds_that_this_build_lacks_are_errors_with_a_hint() {
    let meeting = Meeting::new();
    let kinds = [
        (CollectiveKind::Mpi, cfg!(feature = "mpi"), "--features mpi"),
        (
            CollectiveKind::Nccl,
            cfg!(feature = "nccl"),
            "--features nccl",
        ),
    ];
    for (kind, _, hint) in kinds.into_iter().filter(|(_, built, _)| !built) {
        let mut place = meeting.place(1, 2, 0);
        place.collective = kind;
        match join(&place, &SHORT) {
            Err(CollectiveError::Library { reason, .. }) => assert!(reason.contains(hint)),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it joined"),
        }
    }
}

/// Waits for a state of another thread, for no longer than a loaded machine needs.
#[track_caller]
fn wait_until(reached: impl Fn() -> bool) {
    let deadline = Instant::now() + AT_ONCE;
    while !reached() {
        assert!(Instant::now() < deadline, "the state was not reached");
        std::thread::yield_now();
    }
}
