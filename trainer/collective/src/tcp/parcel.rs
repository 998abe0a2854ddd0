//! The plan of an exchange of parcels: every rank sends one to every other.

use super::exchange::{Cause, Mesh, Plan};
use super::header::{self, Header};

/// Room that a parcel is given at a time, so that no announced length is believed at once.
const ROOM_BYTES: usize = 1 << 20;

/// One exchange.
pub(super) struct Parcels<'a> {
    own: Header,
    header: [u8; header::BYTES],
    part: &'a [u8],
    lanes: Vec<Lane>,
}

/// One peer's side.
struct Lane {
    /// Bytes gone, the header's included.
    sent: usize,
    header: [u8; header::BYTES],
    received_of_header: usize,
    /// Its length is known once the header has come.
    announced: Option<usize>,
    parcel: Vec<u8>,
    received: usize,
}

impl<'a> Parcels<'a> {
    pub(super) fn new(mesh: &Mesh, own: Header, part: &'a [u8]) -> Self {
        let lane = |rank| {
            let is_own = rank == mesh.rank();
            Lane {
                sent: if is_own {
                    header::BYTES + part.len()
                } else {
                    0
                },
                header: [0; header::BYTES],
                received_of_header: 0,
                announced: is_own.then_some(0),
                parcel: Vec::new(),
                received: 0,
            }
        };
        Self {
            own,
            header: own.write(part.len()),
            part,
            lanes: (0..mesh.world_size()).map(lane).collect(),
        }
    }

    /// What came, by rank; nothing at the own one.
    pub(super) fn into_parts(self) -> Vec<Vec<u8>> {
        self.lanes.into_iter().map(|lane| lane.parcel).collect()
    }
}

impl Plan for Parcels<'_> {
    fn outgoing(&mut self, peer: usize) -> Option<&[u8]> {
        let sent = self.lanes[peer].sent;
        let left = match sent.checked_sub(header::BYTES) {
            None => &self.header[sent..],
            Some(sent) => &self.part[sent..],
        };
        (!left.is_empty()).then_some(left)
    }

    fn sent(&mut self, peer: usize, bytes: usize) {
        self.lanes[peer].sent += bytes;
    }

    fn incoming(&mut self, peer: usize) -> Option<&mut [u8]> {
        let lane = &mut self.lanes[peer];
        let Some(announced) = lane.announced else {
            return Some(&mut lane.header[lane.received_of_header..]);
        };
        if lane.received == announced {
            return None;
        }
        if lane.received == lane.parcel.len() {
            let room = (announced - lane.received).min(ROOM_BYTES);
            lane.parcel.resize(lane.received + room, 0);
        }
        Some(&mut lane.parcel[lane.received..])
    }

    fn received(&mut self, peer: usize, bytes: usize) -> Result<(), Cause> {
        let lane = &mut self.lanes[peer];
        if lane.announced.is_some() {
            lane.received += bytes;
            return Ok(());
        }
        lane.received_of_header += bytes;
        if lane.received_of_header == header::BYTES {
            lane.announced = Some(self.own.check(&lane.header)?);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let all = header::BYTES + self.part.len();
        self.lanes
            .iter()
            .all(|lane| lane.sent == all && lane.announced == Some(lane.received))
    }
}
