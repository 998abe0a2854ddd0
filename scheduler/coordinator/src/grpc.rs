//! The services of the wire.

mod agents;
mod jobs;

use schliff_wire::MAX_MESSAGE_BYTES;
use schliff_wire::v1::agents_server::AgentsServer;
use schliff_wire::v1::jobs_server::JobsServer;
use tonic::service::Routes;

use crate::caller::Guard;
use crate::handle::Handle;

/// All of them.
pub(crate) fn routes(handle: &Handle, guard: &Guard) -> axum::Router {
    let jobs = jobs::Jobs {
        handle: handle.clone(),
        guard: guard.clone(),
    };
    let agents = agents::Agents {
        handle: handle.clone(),
        guard: guard.clone(),
    };
    let jobs = JobsServer::new(jobs).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let agents = AgentsServer::new(agents).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let routes = Routes::new(jobs).add_service(agents);
    routes.prepare().into_axum_router()
}
