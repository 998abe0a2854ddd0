//! Who has come to which generation, and what is said to whom. Pure.
//!
//! Rules: TA-1 a generation only grows. TA-2 a group is complete once, and nobody joins it then.
//! TA-3 members of a newer generation wait until it is opened; those of an older one are refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::message::Member;

/// Names a member's connection.
pub(super) type Ticket = u64;

/// The state of the rendezvous.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The open generation, with its number and the size of its group.
    open: Option<(u64, usize)>,
    complete: bool,
    /// Members of the open generation, by rank.
    members: BTreeMap<usize, (Ticket, SocketAddr)>,
    /// Members of generations to come.
    early: BTreeMap<Ticket, Member>,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// To this member: it is not taken.
    Refused(Ticket, String),
    /// To these, by rank: the group is complete.
    Complete(Vec<(Ticket, SocketAddr)>),
}

impl Table {
    /// Opens `generation` for `world_size` ranks; one that is not newer changes nothing.
    pub(super) fn expect(&mut self, generation: u64, world_size: usize) -> Vec<Word> {
        if self.open.is_some_and(|(open, _)| generation <= open) {
            return Vec::new();
        }
        let over = format!("generation {generation} has begun, this one is over");
        let waiting = std::mem::take(&mut self.members);
        let waiting = waiting.into_values().filter(|_| !self.complete);
        let mut words: Vec<_> = waiting
            .map(|(ticket, _)| Word::Refused(ticket, over.clone()))
            .collect();
        (self.open, self.complete) = (Some((generation, world_size)), false);
        for (ticket, member) in std::mem::take(&mut self.early) {
            words.extend(self.come(ticket, member));
        }
        words
    }

    /// A member has come.
    pub(super) fn come(&mut self, ticket: Ticket, member: Member) -> Option<Word> {
        let refused = |reason| Some(Word::Refused(ticket, reason));
        let Some((generation, world_size)) =
            self.open.filter(|(open, _)| member.generation <= *open)
        else {
            self.early.insert(ticket, member);
            return None;
        };
        let (rank, its) = (member.rank, member.generation);
        if its < generation {
            return refused(format!(
                "generation {its} is over, generation {generation} has begun"
            ));
        }
        if member.world_size != world_size {
            let own = member.world_size;
            return refused(format!(
                "this rank expects {own} ranks, generation {generation} has {world_size}"
            ));
        }
        if rank >= world_size {
            return refused(format!("there is no rank {rank} among {world_size}"));
        }
        if self.complete {
            return refused(format!(
                "generation {generation} is complete; ranks that come back need a new generation"
            ));
        }
        if self.members.contains_key(&rank) {
            return refused(format!("rank {rank} is there already"));
        }
        self.members.insert(rank, (ticket, member.address));
        self.complete = self.members.len() == world_size;
        let complete = || Word::Complete(self.members.values().copied().collect());
        self.complete.then(complete)
    }

    /// A member has gone or waits no longer; it is told for what it waited in vain.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Word> {
        if let Some(member) = self.early.remove(&ticket) {
            let (its, open) = (member.generation, self.open);
            let open = open.map_or("none has".into(), |(open, _)| {
                format!("{open} is the newest that has")
            });
            let reason = format!("generation {its} has not been opened, {open}");
            return Some(Word::Refused(ticket, reason));
        }
        let rank = self.rank_of(ticket).filter(|_| !self.complete)?;
        let world_size = self.open.map_or(0, |(_, world_size)| world_size);
        let missing = (0..world_size).filter(|rank| !self.members.contains_key(rank));
        let reason = format!("{} did not come", ranks(&missing.collect::<Vec<_>>()));
        self.members.remove(&rank);
        Some(Word::Refused(ticket, reason))
    }

    fn rank_of(&self, ticket: Ticket) -> Option<usize> {
        let of =
            |(rank, (own, _)): (&usize, &(Ticket, SocketAddr))| (*own == ticket).then_some(*rank);
        self.members.iter().find_map(of)
    }

    /// Members of the open generation.
    pub(super) fn joined(&self) -> usize {
        self.members.len()
    }
}

/// A few ranks in words.
fn ranks(ranks: &[usize]) -> String {
    const NAMED: usize = 8;
    let names: Vec<_> = ranks.iter().take(NAMED).map(usize::to_string).collect();
    let rest = match ranks.len().saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let word = if ranks.len() == 1 { "rank" } else { "ranks" };
    format!("{word} {}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(rank: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1000 + u16::try_from(rank).expect("small")))
    }

    fn member(generation: u64, world_size: usize, rank: usize) -> Member {
        Member {
            generation,
            world_size,
            rank,
            address: address(rank),
        }
    }

    #[track_caller]
    fn refusal(word: Option<Word>) -> String {
        match word {
            Some(Word::Refused(_, reason)) => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_group_is_complete_when_every_rank_has_come_in_whatever_order() {
        let mut table = Table::default();
        assert_eq!(table.expect(3, 2), vec![]);
        assert_eq!(table.come(10, member(3, 2, 1)), None);
        assert_eq!(table.joined(), 1);
        let complete = Word::Complete(vec![(11, address(0)), (10, address(1))]);
        assert_eq!(table.come(11, member(3, 2, 0)), Some(complete));
        assert_eq!(table.joined(), 2);
        assert_eq!(table.leave(10), None);
    }

    #[test]
    fn what_does_not_belong_is_refused_in_words() {
        let mut table = Table::default();
        table.expect(3, 2);
        assert!(refusal(table.come(1, member(2, 2, 0))).contains("generation 2 is over"));
        assert!(refusal(table.come(2, member(3, 4, 0))).contains("expects 4 ranks"));
        assert!(refusal(table.come(3, member(3, 2, 2))).contains("no rank 2 among 2"));
        table.come(4, member(3, 2, 0));
        assert!(refusal(table.come(5, member(3, 2, 0))).contains("rank 0 is there already"));
        table.come(6, member(3, 2, 1));
        assert!(refusal(table.come(7, member(3, 2, 1))).contains("complete"));
    }

    #[test]
    fn early_members_wait_for_their_generation_and_late_ones_are_told() {
        let mut table = Table::default();
        table.expect(1, 2);
        table.come(1, member(1, 2, 0));
        assert_eq!(table.come(2, member(2, 1, 0)), None);
        let words = table.expect(2, 1);
        assert_eq!(words.len(), 2);
        assert!(
            matches!(&words[0], Word::Refused(1, reason) if reason.contains("generation 2 has begun"))
        );
        assert_eq!(words[1], Word::Complete(vec![(2, address(0))]));
        assert_eq!(table.expect(2, 4), vec![]);
        assert_eq!(table.expect(1, 4), vec![]);
        assert_eq!(table.joined(), 1);
    }

    #[test]
    fn a_member_that_leaves_makes_room_and_learns_for_whom_it_waited() {
        let mut table = Table::default();
        assert!(
            refusal({
                table.come(1, member(5, 2, 0));
                table.leave(1)
            })
            .contains("none has")
        );
        table.expect(5, 12);
        table.come(2, member(5, 12, 0));
        let told = refusal(table.leave(2));
        assert_eq!(told, "ranks 1, 2, 3, 4, 5, 6, 7, 8 and 3 more did not come");
        assert_eq!(table.joined(), 0);
        assert_eq!(table.come(3, member(5, 12, 0)), None);
        assert_eq!(table.leave(2), None);
    }
}
