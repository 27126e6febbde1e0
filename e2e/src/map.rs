//! A `RedisCluster` as the map of zones draws it. Pure.

use terminal::map::{Map, Member, Role, Shard, Zone};

use crate::objects::RedisCluster;

/// What the map of this `RedisCluster` shows.
pub fn of(cluster: &RedisCluster) -> Map {
    let zones = cluster.status.zones.iter().map(|zone| Zone {
        name: zone.zone.clone(),
        state: zone.state.clone(),
        survives_loss: zone.survives_loss,
        why_not: zone.why_not.clone(),
    });
    let shards = cluster.status.shards.iter().map(|shard| Shard {
        shard: shard.shard,
        slots: shard.slots.clone(),
        members: shard.members.iter().map(member).collect(),
    });
    Map {
        zones: zones.collect(),
        shards: shards.collect(),
    }
}

fn member(member: &crate::objects::Member) -> Member {
    Member {
        pod: member.pod.clone(),
        zone: member.zone.clone(),
        role: member.role.as_deref().map(|role| match role {
            "leader" => Role::Leader,
            _ => Role::Follower,
        }),
        state: member.state.clone(),
        in_sync: member.in_sync,
        lag_mebibytes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples;
    use terminal::Paint;

    #[test]
    fn a_whole_cluster() {
        let map = of(&samples::whole());
        insta::assert_snapshot!(terminal::map::render(&map, Paint::plain()), @r"
                             ┌────────────┬────────────┬────────────┐
                             │ zone-a     │ zone-b     │ zone-c     │
                             ├────────────┼────────────┼────────────┤
        shard 0  0-5460      │ L demo-0-1 │ f demo-0-2 │            │
        shard 1  5461-10922  │            │ L demo-1-3 │ f demo-1-4 │
        shard 2  10923-16383 │ f demo-2-6 │            │ L demo-2-5 │
                             └────────────┴────────────┴────────────┘
        its loss               survived     survived     survived
        ");
    }
}
