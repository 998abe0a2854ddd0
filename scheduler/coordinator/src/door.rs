//! The port: connections in, HTTP/1 and HTTP/2, with TLS or without.
//!
//! Rules: so many connections and no more; one that does not come to the point is closed, so that slow
//! clients hold up nobody. At the end what is under way is finished, for a while.

mod certificate;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::options::{Limits, Tls};

/// Requests of one connection at a time.
const STREAMS: u32 = 256;
/// Bytes of the headers of a request.
const HEADERS_BYTES: u32 = 16 << 10;
/// Bytes that wait to be sent, of one request.
const SEND_BYTES: usize = 256 << 10;
/// A silent connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// An open port.
pub(crate) struct Door {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// What connections are served with.
#[derive(Clone)]
struct Serving {
    router: Router,
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
}

impl Door {
    pub(crate) async fn open(address: SocketAddr, tls: Option<&Tls>) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let acceptor = tls.map(certificate::acceptor).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            acceptor,
            address,
        })
    }

    /// Serves until `closing` says so, and what is under way then.
    pub(crate) async fn serve(
        self,
        router: Router,
        (limits, metrics): (Limits, Arc<Metrics>),
        mut closing: watch::Receiver<bool>,
    ) {
        let places = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let serving = Serving {
            router,
            acceptor: self.acceptor,
            limits,
        };
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = closing.wait_for(|is_closing| *is_closing) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            };
            // Closing it at once tells the client more than a connection that nobody serves.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                metrics.refuse("connections");
                continue;
            };
            let (serving, watcher) = (serving.clone(), graceful.watcher());
            let metrics = Arc::clone(&metrics);
            tokio::spawn(async move {
                metrics.connections.inc();
                serving.connection(stream, watcher, place).await;
                metrics.connections.dec();
            });
        }
        drop(self.listener);
        // Streams end by themselves when they see that it closes.
        let _ = timeout(limits.farewell, graceful.shutdown()).await;
    }
}

/// Without a free file descriptor the next try would fail, too.
async fn pause_after(error: &io::Error) {
    let is_of_one = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_of_one {
        tracing::warn!(error = error as &dyn std::error::Error, "cannot accept");
        sleep(Duration::from_millis(100)).await;
    }
}

impl Serving {
    async fn connection(self, stream: TcpStream, watcher: Watcher, _place: OwnedSemaphorePermit) {
        // Small answers are not held back.
        let _ = stream.set_nodelay(true);
        match &self.acceptor {
            None => self.talk(stream, watcher).await,
            Some(acceptor) => {
                let handshake = timeout(self.limits.patience, acceptor.accept(stream));
                if let Ok(Ok(stream)) = handshake.await {
                    self.talk(stream, watcher).await;
                }
            }
        }
    }

    async fn talk<S>(&self, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let has_asked = Arc::new(AtomicBool::new(false));
        let (router, asked) = (self.router.clone(), Arc::clone(&has_asked));
        let service = service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            router.clone().oneshot(request.map(Body::new))
        });
        let builder = builder(&self.limits);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let served = watcher.watch(connection.into_owned());
        tokio::pin!(served);
        tokio::select! {
            // What clients do to their connections is their business.
            _ = &mut served => return,
            () = sleep(self.limits.patience) => {}
        }
        if has_asked.load(Ordering::Relaxed) {
            let _ = served.await;
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(limits.patience)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .max_pending_accept_reset_streams(64);
    builder
}
