//! Addresses of members: zone z, host h, member m is `127.(block + z).h.m`.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// Zones that fit in a block.
pub(crate) const ZONES_MAX: u8 = 3;
/// The first blocks are left to people who try things by hand, those from 64 on to other tests.
const BLOCKS: std::ops::Range<u8> = 8..60;
/// Holding it on a block's own address says that the block is taken.
const CLAIM_PORT: u16 = 16_380;

/// Addresses that no other testbed uses, for as long as this value lives.
pub(crate) struct Block {
    octet: u8,
    _claim: TcpListener,
}

impl Block {
    /// Takes one that is free.
    pub(crate) fn claim() -> Result<Self> {
        let step = usize::from(ZONES_MAX) + 1;
        let free = BLOCKS.step_by(step).find_map(|octet| {
            let claim = TcpListener::bind((Ipv4Addr::new(127, octet, 0, 1), CLAIM_PORT));
            claim.ok().map(|claim| Self {
                octet,
                _claim: claim,
            })
        });
        free.context("claim addresses: as many testbeds as fit run already")
    }

    /// Zone, host and member count from 1.
    pub(crate) fn ip(&self, zone: u8, host: u8, member: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.octet.saturating_add(zone), host, member)
    }

    /// A name for what belongs to this block.
    pub(crate) fn octet(&self) -> u8 {
        self.octet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn testbeds_side_by_side_share_no_address() {
        let (one, other) = (Block::claim().unwrap(), Block::claim().unwrap());
        let all = |block: &Block| {
            (1..=ZONES_MAX)
                .map(|zone| block.ip(zone, 1, 1))
                .collect::<Vec<_>>()
        };
        assert!(all(&one).iter().all(|ip| !all(&other).contains(ip)));
    }
}
