//! For agents.

use schliff_spec::id::{Generation, JobId, SubmitKey};
use schliff_wire::v1::agents_server;
use schliff_wire::v1::{ReportReply, ReportRequest};
use tonic::{Request, Response, Status, async_trait};

use crate::caller::Guard;
use crate::handle::Handle;
use crate::refusal::Refusal;

pub(super) struct Agents {
    pub(super) handle: Handle,
    pub(super) guard: Guard,
}

#[async_trait]
impl agents_server::Agents for Agents {
    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let reply = self.take(request).await;
        reply.map(Response::new).map_err(|refusal| {
            self.handle.shared.metrics.refuse(refusal.code);
            refusal.into()
        })
    }
}

impl Agents {
    async fn take(&self, request: Request<ReportRequest>) -> Result<ReportReply, Refusal> {
        let told = request.get_ref();
        let key = SubmitKey {
            job: JobId(told.job),
            generation: Generation(told.generation),
        };
        self.guard.agent(request.metadata(), key, told.node)?;
        self.handle.report(request.into_inner()).await
    }
}
