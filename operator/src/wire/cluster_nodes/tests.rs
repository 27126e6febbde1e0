//! The texts are what real servers printed (redis 7.0.15 and 8.0.2, valkey 8.1.1 and 9.1.2, on
//! loopback); two forms that loopback does not bring forth are marked as made.

use proptest::prelude::*;

use super::*;

const A: &str = "5762c480ffd401f68c739887d4f1bb918a94f7a9";
const B: &str = "c46ca8818b1c40e5a54493d506222467056fa97b";

/// What a line says, in short: address, role, leader, flags, epoch, link, slots, open slots.
fn short(entry: &ViewEntry) -> String {
    let flags = [
        (entry.flags.myself, "myself"),
        (entry.flags.failed, "failed"),
        (entry.flags.suspected, "suspected"),
        (entry.flags.handshake, "handshake"),
        (entry.flags.no_address, "no-address"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
    let open: Vec<String> = entry
        .open_slots
        .iter()
        .map(|open| match open {
            OpenSlot::Migrating { slot, to } => {
                format!("{}>{to:.4}", slot.number(), to = to.as_str())
            }
            OpenSlot::Importing { slot, from } => {
                format!("{}<{from:.4}", slot.number(), from = from.as_str())
            }
        })
        .collect();
    format!(
        "{} {}{} [{}] {} {} slots {} open {}",
        entry
            .address
            .map_or("?".to_owned(), |address| address.to_string()),
        entry.role.as_str(),
        entry
            .leader
            .as_ref()
            .map_or(String::new(), |id| format!(" of {:.4}", id.as_str())),
        flags.join(","),
        entry.config_epoch.0,
        if entry.link_up { "up" } else { "down" },
        entry.slots,
        open.join(","),
    )
}

#[test]
fn lines_as_servers_print_them() {
    let cases = [
        (
            "redis 7.0: alone, with a host name",
            "5762c480ffd401f68c739887d4f1bb918a94f7a9 127.91.0.1:6379@16379,m1.example myself,master - 0 0 0 connected",
            "127.91.0.1:6379 leader [myself] 0 up slots  open ",
        ),
        (
            "valkey 8.1: alone, does not know its own address",
            "5de9e204d9e2b67b71d7b3208df62a0da432662d :6379@16379 myself,master - 0 0 0 connected 0-16383",
            "? leader [myself] 0 up slots 0-16383 open ",
        ),
        (
            "redis 7.0: MEET not answered",
            "46c3573fdc2b6e2ee75c247190875ae7ab07fffd 127.91.0.6:6379@16379 handshake - 0 0 0 disconnected",
            "127.91.0.6:6379 leader [handshake] 0 down slots  open ",
        ),
        (
            "redis 7.0: open slots",
            "5762c480ffd401f68c739887d4f1bb918a94f7a9 127.91.0.1:6379@16379,m1.example myself,master - 0 1795262930000 1 connected 0-5460 [5->-c46ca8818b1c40e5a54493d506222467056fa97b] [6000-<-c46ca8818b1c40e5a54493d506222467056fa97b]",
            "127.91.0.1:6379 leader [myself] 1 up slots 0-5460 open 5>c46c,6000<c46c",
        ),
        (
            "redis 8.0: follower",
            "71b0bc11ae5fac2a1538f72f0804815995b4e69c 127.92.0.6:6379@16379 slave e03043ea30cf52756995aa58bea196489653941b 0 1795262945075 3 connected",
            "127.92.0.6:6379 follower of e030 [] 3 up slots  open ",
        ),
        (
            "redis 7.0: an agreed failure",
            "7620482575f81138196a190b8417f90a185f256a 127.91.0.3:6379@16379,m3.example master,fail - 1795262931042 1795262930540 3 disconnected",
            "127.91.0.3:6379 leader [failed] 3 down slots  open ",
        ),
        (
            "redis 7.0: a stranger answers at the owner's address",
            "c46ca8818b1c40e5a54493d506222467056fa97b :0@0,m2.example master,noaddr - 1795262935973 1795262935570 2 disconnected 5461-10922",
            "? leader [no-address] 2 down slots 5461-10922 open ",
        ),
        (
            "valkey 9.1: the same, failed over",
            "079e8aaf908cabf396a8de27341988a0cca830b1 :0@0,m2.example master,fail,noaddr - 1795262979119 1795262978616 2 disconnected",
            "? leader [failed,no-address] 2 down slots  open ",
        ),
        (
            "redis 8.0: address blanked in nodes.conf before the start",
            "e03043ea30cf52756995aa58bea196489653941b :0@0 master,fail - 1795262952187 1795262952187 3 disconnected",
            "? leader [failed] 3 down slots  open ",
        ),
        (
            "valkey 9.1, from nodes.conf: further fields after the host name",
            "71b8cdef25c0d5bbfc04f9859a6867f0addc88a6 127.94.0.3:6379@16379,m3.example,tls-port=0,shard-id=6ef88ba5036e068cfe75fad0c017e2183a8b8dad master,fail - 1795262974089 1795262973585 3 disconnected",
            "127.94.0.3:6379 leader [failed] 3 down slots  open ",
        ),
        (
            "redis 8.0, from nodes.conf: the same without a host name",
            "9a87f917190a277a00d7d9c12a4227affc7ba70f 127.92.0.4:6379@16379,,tls-port=0,shard-id=d9e2b4d97175a894cf5ec087246ad424e0a492b5 myself,slave ff1ee9a1c8f8b71fd6ad18f908050e0adb6f1623 0 0 1 connected",
            "127.92.0.4:6379 follower of ff1e [myself] 1 up slots  open ",
        ),
        (
            "made: IPv6, several ranges and single slots, suspected, will not stand",
            "5762c480ffd401f68c739887d4f1bb918a94f7a9 fd00::1:2:6379@16379 master,fail?,nofailover - 1 2 18446744073709551615 disconnected 0 2-3 16383",
            "[fd00::1:2]:6379 leader [suspected] 18446744073709551615 down slots 0,2-3,16383 open ",
        ),
        (
            "made: a line about nobody",
            "5762c480ffd401f68c739887d4f1bb918a94f7a9 ?:0@0 noflags - 0 0 0 disconnected",
            "? leader [] 0 down slots  open ",
        ),
    ];
    for (name, line, expected) in cases {
        let entries = parse(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [entry] = entries.as_slice() else {
            panic!("{name}: {} lines", entries.len())
        };
        assert_eq!(short(entry), expected, "{name}");
    }
}

#[test]
fn entries_are_sorted_by_id() {
    let line = |id: &str| format!("{id} 127.0.0.1:6379@16379 master - 0 0 1 connected\n");
    let text = format!("{}{}\n", line(B), line(A));
    let ids: Vec<_> = parse(&text)
        .unwrap()
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids, [MemberId::from(A), MemberId::from(B)]);
}

#[test]
fn what_is_no_line_is_refused() {
    let cases = [
        "LOADING",
        "id 127.0.0.1:6379@16379 master - 0 0 1",
        "id 127.0.0.1:6379 master - 0 0 1 connected",
        "id 127.0.0.1@16379 master - 0 0 1 connected",
        "id 127.0.0.1:99999@16379 master - 0 0 1 connected",
        "id not-an-address:6379@16379 master - 0 0 1 connected",
        "id 127.0.0.1:6379@16379 master,unheard-of - 0 0 1 connected",
        "id 127.0.0.1:6379@16379 master - 0 0 -1 connected",
        "id 127.0.0.1:6379@16379 master - 0 0 1 connected 16384",
        "id 127.0.0.1:6379@16379 master - 0 0 1 connected [5-x-id]",
        "id 127.0.0.1:6379@16379 master - 0 0 1 connected [99999->-id]",
    ];
    for text in cases {
        assert!(parse(text).is_err(), "{text}");
    }
}

/// Words that lines are made of, whole and broken.
const WORDS: &[&str] = &[
    A,
    ":0@0",
    "127.0.0.1:6379@16379,h,shard-id=x",
    "::1:6379@1",
    "@",
    ":@",
    "myself,master",
    "slave",
    "fail?",
    ",",
    "-",
    "0",
    "-1",
    "18446744073709551616",
    "connected",
    "0-16383",
    "5-4",
    "[",
    "]",
    "[]",
    "[5->-",
    "[5->-x]",
    "[->-]",
    "[70000-<-x]",
    "\n",
    "é",
];

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_mixture_of_words_panics(words in prop::collection::vec(prop::sample::select(WORDS), 0..24)) {
        let _ = parse(&words.join(" "));
    }
}
