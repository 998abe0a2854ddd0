//! Reading what a program prints, up to a bound.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes at a time.
const PIECE_BYTES: usize = 16 << 10;

/// Why reading ended without what was waited for.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaptureError {
    /// Too much.
    #[error("it printed more than {0} bytes")]
    TooMuch(usize),
    /// The other end closed it.
    #[error("its output ended early")]
    Ended,
    /// The system says no.
    #[error("its output cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// Reads to the end.
///
/// # Errors
/// [`CaptureError::TooMuch`] or [`CaptureError::Read`].
pub(super) async fn all(
    source: &mut (impl AsyncRead + Unpin),
    limit_bytes: usize,
) -> Result<Vec<u8>, CaptureError> {
    let mut bytes = Vec::new();
    while piece(source, &mut bytes, limit_bytes).await? > 0 {}
    Ok(bytes)
}

/// Reads until `find` finds what it looks for in what came so far, of which the part from its second
/// argument on is new.
///
/// # Errors
/// See [`CaptureError`]. What came before the error is left in `bytes`.
pub(super) async fn until<T>(
    source: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    limit_bytes: usize,
    find: impl Fn(&[u8], usize) -> Option<T>,
) -> Result<T, CaptureError> {
    loop {
        let new_from = bytes.len();
        if piece(source, bytes, limit_bytes).await? == 0 {
            return Err(CaptureError::Ended);
        }
        if let Some(found) = find(bytes, new_from) {
            return Ok(found);
        }
    }
}

async fn piece(
    source: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    limit_bytes: usize,
) -> Result<usize, CaptureError> {
    bytes.reserve(PIECE_BYTES);
    let count = source.read_buf(bytes).await?;
    if bytes.len() > limit_bytes {
        return Err(CaptureError::TooMuch(limit_bytes));
    }
    Ok(count)
}
