//! Seeded draws. The sequence is part of what a job file means, so it never changes.

use crate::job::{Candidates, Scale, SweepValue};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of the candidates; a whole number where the key wants one. `None` where there is none.
    pub(super) fn value(&mut self, candidates: &Candidates, is_whole: bool) -> Option<SweepValue> {
        Some(match candidates {
            Candidates::Values(values) => values.get(self.below(values.len()))?.clone(),
            Candidates::Range { min, max, scale } => {
                let (min, max) = (*min, *max);
                let share = self.share();
                if is_whole {
                    SweepValue::Whole(whole((min, max), *scale, share) as u64)
                } else {
                    let number = rounded(between((min, max), *scale, share));
                    SweepValue::Number(number.max(min).min(max))
                }
            }
        })
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1, in steps of 2⁻⁵³.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uneven by less than `count` in 2⁶⁴, which no search will notice.
    fn below(&mut self, count: usize) -> usize {
        let scaled = u128::from(self.next()) * count as u128;
        (scaled >> 64) as usize
    }
}

fn between(bounds: (f64, f64), scale: Scale, share: f64) -> f64 {
    let (min, max) = bounds;
    match scale {
        Scale::Linear => min + share * (max - min),
        Scale::Log => (min.ln() + share * (max.ln() - min.ln())).exp(),
    }
}

/// Each whole number has its own interval of width one around it.
fn whole(bounds: (f64, f64), scale: Scale, share: f64) -> f64 {
    let (min, max) = bounds;
    let number = between((min - 0.5, max + 0.5), scale, share);
    number.round().max(min).min(max)
}

/// Four digits: more says nothing about a hyper-parameter, and makes a label long.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the authors' own program for these seeds.
    #[test]
    fn the_sequence_is_splitmix64() {
        let mut draw = Draw::new(1_234_567);
        let first: Vec<_> = (0..3).map(|_| draw.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
        assert_eq!(Draw::new(0).next(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn draws_stay_within_their_range_and_reach_its_ends() {
        for scale in [Scale::Linear, Scale::Log] {
            let mut draw = Draw::new(3);
            let (min, max) = (1.0, 4.0);
            let range = Candidates::Range { min, max, scale };
            let mut counts = [0; 5];
            for _ in 0..4000 {
                let Some(SweepValue::Whole(whole)) = draw.value(&range, true) else {
                    panic!("a whole number");
                };
                counts[whole as usize] += 1;
                let Some(SweepValue::Number(number)) = draw.value(&range, false) else {
                    panic!("a number");
                };
                assert!((min..=max).contains(&number));
            }
            assert_eq!(counts[0], 0);
            assert!(counts[1..].iter().all(|count| *count > 300), "{counts:?}");
        }
    }

    /// The checks of the job file let neither through; whoever made them otherwise gets no panic.
    #[test]
    fn candidates_that_cannot_be_do_not_panic() {
        let mut draw = Draw::new(0);
        assert_eq!(draw.value(&Candidates::Values(Vec::new()), false), None);
        let (min, max, scale) = (2.0, f64::NAN, Scale::Log);
        let range = Candidates::Range { min, max, scale };
        assert!(draw.value(&range, true).is_some());
        assert!(draw.value(&range, false).is_some());
    }

    #[test]
    fn a_logarithmic_draw_is_as_often_in_each_decade() {
        let mut draw = Draw::new(0);
        let (min, max, scale) = (1e-5, 1e-3, Scale::Log);
        let range = Candidates::Range { min, max, scale };
        let below = (0..4000).filter(
            |_| matches!(draw.value(&range, false), Some(SweepValue::Number(number)) if number < 1e-4),
        );
        let below = below.count();
        assert!((1800..2200).contains(&below), "{below}");
    }
}
