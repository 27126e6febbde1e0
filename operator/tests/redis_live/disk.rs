//! A disk that is full, as a small file system in memory: the server goes on, says so, and takes writes
//! again when there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use zoneward_operator::model::SlotSet;
use zoneward_operator::plan::MemberCommand;

use crate::redis_client::{CLIENT, code, login, say};
use crate::redis_cluster::{ask, tell, until, wired};
use crate::redis_server::{Member, for_each_server};

/// A file system of some megabytes. None where we may not mount.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(of: &str) -> Option<Self> {
        let name = format!(
            "zoneward-disk-{}-{}",
            std::process::id(),
            of.replace(' ', "-")
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let disk = Self(path);
        disk.run("mount", &["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
            .then_some(disk)
    }

    fn grow(&self) {
        assert!(self.run("mount", &["-o", "remount,size=64m"]));
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new(program);
        let output = command.args(arguments).arg(&self.0).output();
        output.is_ok_and(|it| it.status.success())
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &[]);
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_writes_are_taken_again_when_it_grows() {
    for_each_server(|server| async move {
        let Some(disk) = SmallDisk::mount(&server.version) else {
            println!("skipped: nobody but root may mount");
            return;
        };
        let (wire, _wakes) = wired();
        let more = format!(
            "dir {}\nappendonly yes\nappendfsync everysec\n",
            disk.path().display()
        );
        let member = Member::start_with(&server, &more);
        let at = member.address;
        tell(&wire, at, MemberCommand::AddSlots(SlotSet::all()))
            .await
            .unwrap();
        tell(&wire, at, MemberCommand::Open).await.unwrap();
        until("it serves", || async { ask(&wire, at).await.view.says_ok }).await;
        let run = ask(&wire, at).await.run_id;
        let value = "x".repeat(100_000);
        let mut number = 0;
        let mut client = login(at, CLIENT).await.unwrap();
        until("it refuses writes", || {
            number += 1;
            let mut set = redis::cmd("SET");
            set.arg(format!("k{number}")).arg(&value);
            let mut client = client.clone();
            async move {
                let outcome = set.query_async(&mut client).await;
                code(&outcome) == "MISCONF"
            }
        })
        .await;
        let answer = ask(&wire, at).await;
        assert!(answer.disk.append_fails, "{:?}", answer.disk);
        assert_eq!(code(&say(at, CLIENT, "GET k1").await), "OK", "reads go on");
        disk.grow();
        let took = until("it takes writes again", || async {
            code(&say(at, CLIENT, "SET after 1").await) == "OK"
        })
        .await;
        println!(
            "{}: writes are taken {took:?} after it grew",
            server.version
        );
        until("it says so", || async {
            !ask(&wire, at).await.disk.append_fails
        })
        .await;
        assert_eq!(ask(&wire, at).await.run_id, run, "the same process");
        let pong: redis::RedisResult<redis::Value> =
            redis::cmd("PING").query_async(&mut client).await;
        assert!(pong.is_ok());
    })
    .await;
}
