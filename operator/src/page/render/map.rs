//! The zone map: zones as columns, shards as rows, members where they meet.

use maud::{Markup, html};

use super::{said, sign};
use crate::api::{RedisClusterStatus, ShardMemberStatus, ShardStatus, ZoneStatus};
use crate::model::{Role, Transfer};
use crate::page::words::{self, Level};

/// A zone's column: its name, and its status where the operator still knows the zone.
struct Column<'a> {
    name: &'a str,
    zone: Option<&'a ZoneStatus>,
}

impl Column<'_> {
    fn class(&self) -> &'static str {
        match self.zone {
            Some(zone) if words::is_gone(zone) => "lost",
            Some(_) => "there",
            None => "unknown",
        }
    }
}

/// The map of what there is.
pub(super) fn map(status: &RedisClusterStatus) -> Markup {
    let columns = columns(status);
    let mut shards: Vec<&ShardStatus> = status.shards.iter().collect();
    shards.sort_by_key(|shard| shard.shard);
    if columns.is_empty() && shards.is_empty() {
        return html! { p .note { "No zone and no shard is known yet." } };
    }
    html! {
        table .map .many[columns.len() > 3] {
            caption .unseen { "Zones are columns, shards are rows; each cell has the shard's members in that zone." }
            thead {
                tr {
                    th scope="col" .shard { "Shard" }
                    @for column in &columns { (head(column)) }
                }
            }
            tbody { @for shard in shards { (row(shard, &columns, status)) } }
        }
    }
}

/// The zones of status, then those that only members are in.
fn columns(status: &RedisClusterStatus) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    for zone in &status.zones {
        let (name, zone) = (zone.zone.as_str(), Some(zone));
        columns.push(Column { name, zone });
    }
    for member in status.shards.iter().flat_map(|shard| &shard.members) {
        let name = member.zone.as_str();
        if columns.iter().all(|column| column.name != name) {
            columns.push(Column { name, zone: None });
        }
    }
    columns
}

fn head(column: &Column<'_>) -> Markup {
    html! {
        th scope="col" .zone .(column.class()) {
            div .title {
                span .name { span .unseen { "Zone " } (words::zone_name(column.name)) }
                @match column.zone {
                    Some(zone) => { " " (said(&words::zone_verdict(zone))) }
                    None => { " " span .mark .warn { (sign(Level::Warn)) "not in use" } }
                }
            }
            @if let Some(zone) = column.zone { (census(zone)) }
        }
    }
}

fn census(zone: &ZoneStatus) -> Markup {
    let verdict = words::zone_verdict(zone);
    html! {
        div .census {
            (count(zone.leaders, "leader")) ", " (count(zone.followers, "follower")) " in sync"
            @if zone.state == "Cordoned" { ", cordoned" }
        }
        @if !verdict.more.is_empty() { div .why { (verdict.more) } }
    }
}

pub(super) fn count(number: u32, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn row(shard: &ShardStatus, columns: &[Column<'_>], status: &RedisClusterStatus) -> Markup {
    let transfers = || status.record.reshard.iter().flat_map(|it| &it.transfers);
    let of = |it: &&Transfer| it.from.0 == shard.shard || it.to.0 == shard.shard;
    html! {
        tr {
            th scope="row" .shard {
                div .title { span .unseen { "Shard " } (shard.shard) }
                div .slots { @if shard.slots.is_empty() { "no slots" } @else { (shard.slots) } }
                @for transfer in transfers().filter(of) { (moving(transfer, shard.shard)) }
            }
            @for column in columns {
                td .(column.class()) { (cell(shard, column)) }
            }
        }
    }
}

fn moving(transfer: &Transfer, own: u32) -> Markup {
    let (count, slots) = (transfer.slots.count(), transfer.slots.to_string());
    let leaves = transfer.from.0 == own;
    let (sign, way) = if leaves {
        ("→", "to shard")
    } else {
        ("←", "from shard")
    };
    let other = if leaves { transfer.to } else { transfer.from };
    html! {
        div .moving title=(slots) {
            span .sign aria-hidden="true" { (sign) } (count) " slots move " (way) " " (other)
        }
    }
}

fn cell(shard: &ShardStatus, column: &Column<'_>) -> Markup {
    let here = |member: &&ShardMemberStatus| member.zone == column.name;
    let members: Vec<_> = shard.members.iter().filter(here).collect();
    html! {
        @if members.is_empty() {
            span .unseen { "no member" }
        } @else {
            ul .members { @for member in members { (card(member)) } }
        }
    }
}

fn card(member: &ShardMemberStatus) -> Markup {
    let state = words::member_state(member);
    let role = member.role.map_or("new", |role| match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
    });
    html! {
        li .member .(role) .(state.level.class()) {
            span .role { (role) } " "
            span .pod { (member.pod) } " "
            span .state {
                (said(&state))
                @if !state.more.is_empty() { span .more { ", " (state.more) } }
            }
        }
    }
}
