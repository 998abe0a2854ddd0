//! For people and their programs.

use schliff_wire::v1::jobs_server;
use schliff_wire::v1::{
    AdoptRequest, CancelRequest, ClustersReply, ClustersRequest, Explanation, HistoryReply,
    JobRequest, JobView, ListReply, ListRequest, LogChunk, LogsRequest, NodesReply, NodesRequest,
    RetryRequest, SeriesReply, SeriesRequest, ServerReply, ServerRequest, SubmitReply,
    SubmitRequest,
};
use tonic::{Request, Response, Status, async_trait};

use crate::access::Role;
use crate::caller::{Guard, Person};
use crate::handle::{Feed, Handle};
use crate::refusal::Refusal;

pub(super) struct Jobs {
    pub(super) handle: Handle,
    pub(super) guard: Guard,
}

type Reply<T> = Result<Response<T>, Status>;

impl Jobs {
    /// Lets in who may do what needs `role`.
    fn admit<T>(&self, request: Request<T>, role: Role) -> Result<(Person, T), Status> {
        let person = self.guard.person(request.metadata(), role);
        let person = person.map_err(|refusal| self.refuse(refusal))?;
        Ok((person, request.into_inner()))
    }

    fn look<T>(&self, request: Request<T>) -> Result<T, Status> {
        self.admit(request, Role::Viewer)
            .map(|(_, request)| request)
    }

    fn answer<T>(&self, answer: Result<T, Refusal>) -> Reply<T> {
        let answer = answer.map_err(|refusal| self.refuse(refusal));
        answer.map(Response::new)
    }

    fn refuse(&self, refusal: Refusal) -> Status {
        self.handle.shared.metrics.refuse(refusal.code);
        refusal.into()
    }
}

#[async_trait]
impl jobs_server::Jobs for Jobs {
    type WatchStream = Feed<JobView>;
    type LogsStream = Feed<LogChunk>;

    async fn server(&self, request: Request<ServerRequest>) -> Reply<ServerReply> {
        self.look(request)?;
        self.answer(self.handle.server().await)
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Reply<SubmitReply> {
        let (person, request) = self.admit(request, Role::User)?;
        self.answer(self.handle.submit(&person.name, request).await)
    }

    async fn adopt(&self, request: Request<AdoptRequest>) -> Reply<SubmitReply> {
        let (person, request) = self.admit(request, Role::User)?;
        self.answer(self.handle.adopt(&person.name, request).await)
    }

    async fn list(&self, request: Request<ListRequest>) -> Reply<ListReply> {
        let request = self.look(request)?;
        self.answer(self.handle.list(&request).await)
    }

    async fn get(&self, request: Request<JobRequest>) -> Reply<JobView> {
        let request = self.look(request)?;
        self.answer(self.handle.get(request.job).await)
    }

    async fn explain(&self, request: Request<JobRequest>) -> Reply<Explanation> {
        let request = self.look(request)?;
        self.answer(self.handle.explain(request.job).await)
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Reply<JobView> {
        let (person, request) = self.admit(request, Role::User)?;
        self.answer(self.handle.cancel(&person.name, request).await)
    }

    async fn retry(&self, request: Request<RetryRequest>) -> Reply<JobView> {
        let (person, request) = self.admit(request, Role::User)?;
        self.answer(self.handle.retry(&person.name, request).await)
    }

    async fn watch(&self, request: Request<JobRequest>) -> Reply<Self::WatchStream> {
        let request = self.look(request)?;
        self.answer(self.handle.watch(request.job).await)
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Reply<Self::LogsStream> {
        let request = self.look(request)?;
        self.answer(self.handle.follow(request).await)
    }

    async fn series(&self, request: Request<SeriesRequest>) -> Reply<SeriesReply> {
        let request = self.look(request)?;
        self.answer(self.handle.series(&request).await)
    }

    async fn clusters(&self, request: Request<ClustersRequest>) -> Reply<ClustersReply> {
        self.look(request)?;
        self.answer(self.handle.clusters().await)
    }

    async fn nodes(&self, request: Request<NodesRequest>) -> Reply<NodesReply> {
        let request = self.look(request)?;
        self.answer(self.handle.nodes(&request).await)
    }

    async fn history(&self, request: Request<JobRequest>) -> Reply<HistoryReply> {
        let request = self.look(request)?;
        self.answer(self.handle.history(request.job).await)
    }
}
