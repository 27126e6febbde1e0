//! Certificates for tests, made by openssl: an authority, and what it issues.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory with an authority's certificate and key. Ends with the value.
pub(crate) struct Authority {
    directory: PathBuf,
    issued: AtomicU32,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("zoneward-ca-{}-{name}", std::process::id()));
        done(fs::create_dir_all(&directory));
        let authority = Self {
            directory,
            issued: AtomicU32::new(0),
        };
        let subject = format!("/CN={name}");
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        let files = [authority.path("ca.key"), authority.path("ca.crt")];
        let files = ["-keyout", files[0].as_str(), "-out", files[1].as_str()];
        run(&[
            &["req", "-x509", "-days", "2", "-subj", &subject],
            &key[..],
            &files,
        ]
        .concat());
        authority
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> String {
        done(fs::read_to_string(self.path("ca.crt")))
    }

    /// Issues a certificate for this name, good for client and server: certificate and key.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let [request, key, certificate, extensions] =
            ["csr", "key", "crt", "ext"].map(|end| self.path(&format!("leaf-{number}.{end}")));
        done(fs::write(
            &extensions,
            format!("subjectAltName=DNS:{name}\n"),
        ));
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        let out = ["-keyout", key.as_str(), "-out", request.as_str()];
        run(&[&["req", "-subj", "/CN=member"], &curve[..], &out].concat());
        let serial = (number + 1).to_string();
        let (ca, ca_key) = (self.path("ca.crt"), self.path("ca.key"));
        run(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-set_serial",
            &serial,
            "-days",
            "1",
            "-extfile",
            &extensions,
            "-out",
            &certificate,
        ]);
        let read = |path: &str| done(fs::read_to_string(path));
        (read(&certificate), read(&key))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What a pod's mounted Secret has.
pub(crate) fn write(directory: &Path, (certificate, key): &(String, String), authorities: &str) {
    done(fs::create_dir_all(directory));
    for (name, text) in [
        ("tls.crt", certificate.as_str()),
        ("tls.key", key),
        ("ca.crt", authorities),
    ] {
        done(fs::write(directory.join(name), text));
    }
}

fn done<T, E: std::fmt::Debug>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error:?}"))
}

fn run(arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = done(command.status());
    assert!(status.success(), "openssl {arguments:?}");
}
