//! A coordinator that counts: each sequence once, as the real one does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use schliff_wire::v1::agents_server::{Agents, AgentsServer};
use schliff_wire::v1::news::Body;
use schliff_wire::v1::{Directive, News, ReportReply, ReportRequest};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// No state that a test waits for takes so long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the coordinator got, and how it behaves.
#[derive(Default)]
pub(crate) struct Book {
    /// News by sequence, each taken once.
    pub(crate) taken: BTreeMap<u64, News>,
    /// News that came again.
    pub(crate) repeated: usize,
    pub(crate) requests: usize,
    pub(crate) most_news: usize,
    pub(crate) tokens: Vec<String>,
    pub(crate) directive: Directive,
    /// Takes it and answers nothing, for so many requests.
    pub(crate) lose_answers: usize,
    /// Answers this instead of taking anything.
    pub(crate) refuse: Option<fn(&ReportRequest) -> Option<Status>>,
}

impl Book {
    /// What was taken, in order.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.taken.values().filter_map(|news| news.body.as_ref())
    }

    pub(crate) fn steps(&self) -> Vec<u64> {
        let step = |body: &Body| match body {
            Body::Step(point) => Some(point.step),
            _ => None,
        };
        self.bodies().filter_map(step).collect()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.bodies().any(|body| matches!(body, Body::Ended(_)))
    }

    fn take(&mut self, request: &ReportRequest) -> u64 {
        let last = self.taken.keys().next_back().copied().unwrap_or(0);
        for (sequence, news) in (request.first_sequence..).zip(&request.news) {
            if sequence <= last {
                self.repeated += 1;
            } else {
                self.taken.insert(sequence, news.clone());
            }
        }
        self.taken.keys().next_back().copied().unwrap_or(0)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<(Mutex<Book>, Condvar)>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.0.lock().expect("no panic")
    }

    /// Waits until the book is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Book) -> bool) {
        let (begun, mut book) = (Instant::now(), self.lock());
        while !is_so(&book) {
            assert!(begun.elapsed() < PATIENCE, "never {what}");
            let waited = self.0.1.wait_timeout(book, Duration::from_millis(50));
            book = waited.expect("no panic").0;
        }
    }
}

#[tonic::async_trait]
impl Agents for Shared {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let token = request.metadata().get("authorization").cloned();
        let request = request.into_inner();
        let mut book = self.lock();
        book.requests += 1;
        book.most_news = book.most_news.max(request.news.len());
        let token = token.and_then(|token| token.to_str().ok().map(str::to_owned));
        book.tokens.extend(token);
        if let Some(status) = book.refuse.and_then(|refuse| refuse(&request)) {
            self.0.1.notify_all();
            return Err(status);
        }
        let taken = book.take(&request);
        self.0.1.notify_all();
        if book.lose_answers > 0 {
            book.lose_answers -= 1;
            return Err(Status::unavailable("the answer is lost"));
        }
        Ok(Response::new(ReportReply {
            taken,
            directive: book.directive.into(),
            reason: None,
            pause_ms: 0,
        }))
    }
}

/// A coordinator that listens until it is dropped.
pub(crate) struct Coordinator {
    pub(crate) book: Shared,
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Coordinator {
    /// Listens at `address`, port 0 for a free one.
    pub(crate) fn at(address: SocketAddr, book: Shared) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let service = AgentsServer::new(book.clone());
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            book,
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), Shared::default())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
