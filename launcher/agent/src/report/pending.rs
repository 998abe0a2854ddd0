//! News on their way from the supervisor to the thread that reports. Pure.
//!
//! Rules: handing over never waits. Lines take bounded memory: where the other side is slow, they are
//! dropped and counted. Nothing else is dropped, and so no bound holds for it. Neighbouring lines travel
//! as one piece of news.

use schliff_wire::v1::news::Body;
use schliff_wire::v1::{LineOfRank, Lines, News};

/// Lines that wait take no more than this.
const MOST_BYTES: usize = 4 << 20;
/// One piece of news holds no more lines than fit into this.
const PIECE_BYTES: usize = 64 << 10;
/// What a line takes besides its text.
const LINE_BYTES: usize = 16;

/// What was not handed over yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    news: Vec<News>,
    /// Bytes of lines in all, and in the last piece of news where that holds lines.
    bytes: usize,
    piece_bytes: usize,
    dropped: u64,
}

impl Pending {
    /// Adds news that are no lines.
    pub(super) fn push(&mut self, body: Body, at_ms: i64) {
        let body = Some(body);
        self.news.push(News { at_ms, body });
        self.piece_bytes = PIECE_BYTES;
    }

    /// Adds a line of a rank.
    pub(super) fn line(&mut self, rank: usize, text: String, at_ms: i64) {
        let bytes = text.len() + LINE_BYTES;
        if self.bytes + bytes > MOST_BYTES {
            return self.drop_line();
        }
        let line = LineOfRank {
            rank: rank as u32,
            text,
        };
        self.bytes += bytes;
        if self.piece_bytes + bytes <= PIECE_BYTES
            && let Some(News {
                body: Some(Body::Lines(lines)),
                ..
            }) = self.news.last_mut()
        {
            self.piece_bytes += bytes;
            lines.lines.push(line);
            return;
        }
        let lines = Lines {
            lines: vec![line],
            dropped: 0,
        };
        self.push(Body::Lines(lines), at_ms);
        self.piece_bytes = bytes;
    }

    /// A line is not handed over.
    pub(super) fn drop_line(&mut self) {
        self.dropped += 1;
    }

    /// Hands over all there is.
    pub(super) fn take(&mut self, now_ms: i64) -> Vec<News> {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let lines = Vec::new();
            self.push(Body::Lines(Lines { lines, dropped }), now_ms);
        }
        (self.bytes, self.piece_bytes) = (0, 0);
        std::mem::take(&mut self.news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(news: &News) -> (usize, u64) {
        match &news.body {
            Some(Body::Lines(lines)) => (lines.lines.len(), lines.dropped),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn neighbouring_lines_are_one_piece_of_news_and_order_is_kept() {
        let mut pending = Pending::default();
        pending.line(0, "a".into(), 1);
        pending.line(1, "b".into(), 2);
        pending.push(super::super::translation::remark("between", None), 3);
        pending.line(0, "c".into(), 4);
        let news = pending.take(5);
        assert_eq!(
            news.iter().map(|it| it.at_ms).collect::<Vec<_>>(),
            [1, 3, 4]
        );
        assert_eq!((lines(&news[0]), lines(&news[2])), ((2, 0), (1, 0)));
        assert!(pending.take(6).is_empty());
    }

    #[test]
    fn a_slow_other_side_costs_lines_that_are_counted() {
        let mut pending = Pending::default();
        for number in 0..1_000_000_u32 {
            pending.line(0, format!("line {number:08}"), 0);
        }
        let news = pending.take(9);
        let (kept, dropped) = news
            .iter()
            .map(lines)
            .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        assert_eq!(kept as u64 + dropped, 1_000_000);
        assert!((100_000..200_000).contains(&kept), "{kept}");
        assert!(news.len() < 100, "{} pieces", news.len());
        pending.line(0, "goes on".into(), 10);
        assert_eq!(lines(&pending.take(11)[0]), (1, 0));
    }
}
