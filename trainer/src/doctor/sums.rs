//! Ways of exchanging sums: tried where that needs nothing, asked for where it does.

use schliff_collective::rendezvous::check;
use schliff_collective::{CollectiveError, self_test};
use schliff_spec::finding::{Area, Finding};
use schliff_spec::place::CollectiveKind;

pub(super) fn findings() -> Vec<Finding> {
    vec![tcp(), nccl()]
}

/// Two members meet at a rendezvous on loopback and sum.
fn tcp() -> Finding {
    match self_test::tcp() {
        Ok(()) => Finding::ok(
            Area::Collectives,
            "tcp",
            "two members met over loopback, and their sum is right",
        ),
        Err(error) => Finding::broken(Area::Collectives, "tcp", told(&error)).hint(
            "is the loopback interface up (ip addr show lo), and may this user open sockets?",
        ),
    }
}

fn nccl() -> Finding {
    match check(CollectiveKind::Nccl) {
        Ok(()) => Finding::ok(
            Area::Collectives,
            "nccl",
            "built in; library, driver and a GPU are found; a sum needs one for each rank and was not tried",
        ),
        // The reason says what can be done about it.
        Err(CollectiveError::Library { reason, .. }) => {
            let (told, hint) = reason
                .split_once("; ")
                .unwrap_or((&reason, "take --collective tcp"));
            Finding::absent(Area::Collectives, "nccl", told).hint(hint)
        }
        Err(error) => {
            Finding::broken(Area::Collectives, "nccl", told(&error)).hint("take --collective tcp")
        }
    }
}

fn told(error: &CollectiveError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
