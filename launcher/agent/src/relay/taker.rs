//! Who takes what a relay ships: a coordinator.

use async_trait::async_trait;
use schliff_wire::v1::agents_client::AgentsClient;
use schliff_wire::v1::{ReportReply, ReportRequest};
use schliff_wire::{MAX_MESSAGE_BYTES, metadata};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::report::pace::{Failure, judge};
use crate::report::{Coordinators, Token};

/// Who takes reports.
#[async_trait]
pub trait Taker: Send {
    /// Takes a report of the attempt that `token` is for.
    ///
    /// # Errors
    /// As a coordinator says it.
    async fn report(&mut self, token: &Token, report: ReportRequest)
    -> Result<ReportReply, Status>;

    /// What people call it.
    fn place(&self) -> String;
}

/// Coordinators behind a network.
#[derive(Debug)]
pub struct Far {
    coordinators: Coordinators,
    client: Option<AgentsClient<Channel>>,
}

impl Far {
    /// None of them needs to be there yet.
    pub fn new(coordinators: Coordinators) -> Self {
        Self {
            coordinators,
            client: None,
        }
    }

    async fn ask(&mut self, token: &Token, report: ReportRequest) -> Result<ReportReply, Status> {
        let header = token.header();
        let header = header.map_err(|error| Status::unauthenticated(error.to_string()))?;
        let mut request = Request::new(report);
        request
            .metadata_mut()
            .insert(metadata::AUTHORIZATION, header);
        let coordinators = &self.coordinators;
        let client = self.client.get_or_insert_with(|| {
            let channel = coordinators.current().connect_lazy();
            AgentsClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES)
        });
        client
            .report(request)
            .await
            .map(tonic::Response::into_inner)
    }
}

#[async_trait]
impl Taker for Far {
    async fn report(
        &mut self,
        token: &Token,
        report: ReportRequest,
    ) -> Result<ReportReply, Status> {
        // Each once, and one that another names.
        let mut tries = self.coordinators.count();
        loop {
            let answer = self.ask(token, report.clone()).await;
            let Err(status) = &answer else { return answer };
            match judge(status) {
                Failure::Elsewhere(leader) => self.coordinators.turn_to(&leader),
                Failure::Later => self.coordinators.next(),
                Failure::Busy(_) | Failure::Refused | Failure::Never => return answer,
            }
            self.client = None;
            if tries == 0 {
                return answer;
            }
            tries -= 1;
        }
    }

    fn place(&self) -> String {
        self.coordinators.current().uri().to_string()
    }
}
