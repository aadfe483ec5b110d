//! The settings of a storm or a replay.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seats: u32,
    /// The share of members whose page names a jam `ahead` of their joining.
    pub(crate) late: f64,
    pub(crate) ahead: u64,
    pub(crate) threads: usize,
}

impl Plan {
    /// Returns whether that member is one of those. Any stretch of numbers has its share.
    pub(crate) fn comes_late(&self, member: u64) -> bool {
        // The golden ratio as a fraction of 2^64: its multiples spread evenly.
        let spread = member.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (spread as f64) < self.late * 2f64.powi(64) || self.late >= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stretch_of_members_has_its_share() {
        for (late, expected) in [(0.0, 0), (0.3, 300), (1.0, 1_000)] {
            let plan = Plan { seats: 7, late, ahead: 5, threads: 1 };
            for first in [0, 12_345, u64::MAX - 1_000] {
                let count =
                    (first..first + 1_000).filter(|&member| plan.comes_late(member)).count();
                assert!(count.abs_diff(expected) <= 3, "{count} of {expected} from {first}");
            }
        }
    }
}
