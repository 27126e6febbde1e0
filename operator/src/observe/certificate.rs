//! Reads what a plan has to know of a certificate: whether it is another one, and its time. Pure.
//!
//! Of X.509 only the way to the validity is walked (RFC 5280, 4.1): whether the certificate is good is
//! for who connects to say.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::model::CertificateView;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// The version, where it is not the first.
const EXPLICIT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate with its authorities, and the SHA-256 of itself.
pub(super) fn read(chain: &str, authorities: &str) -> Option<(CertificateView, String)> {
    let leaf = CertificateDer::pem_slice_iter(chain.as_bytes())
        .next()?
        .ok()?;
    CertificateDer::pem_slice_iter(authorities.as_bytes())
        .next()?
        .ok()?;
    let (not_before, not_after) = validity(&leaf)?;
    let mut digest = Sha256::new();
    digest.update(chain);
    digest.update([0]);
    digest.update(authorities);
    let view = CertificateView {
        digest: format!("{:x}", digest.finalize()),
        not_before,
        not_after,
    };
    Some((view, format!("{:x}", Sha256::digest(&leaf))))
}

fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (body, _) = take(certificate, SEQUENCE)?;
    let rest = take(body, EXPLICIT_0).map_or(body, |(_, rest)| rest);
    let (_, rest) = take(rest, INTEGER)?; // the serial number
    let (_, rest) = take(rest, SEQUENCE)?; // how it is signed
    let (_, rest) = take(rest, SEQUENCE)?; // by whom
    let (validity, _) = take(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some((not_before, not_after))
}

fn time(from: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest) = take(from, UTC_TIME).or_else(|| take(from, GENERALIZED_TIME))?;
    let text = std::str::from_utf8(text).ok()?;
    // two digits of a year are of this century and the last one
    let text = match (text.len(), text.get(..2)?.parse::<u8>().ok()?) {
        (13, 0..50) => format!("20{text}"),
        (13, _) => format!("19{text}"),
        _ => text.to_owned(),
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?;
    Some((time.timestamp(), rest))
}

/// The content of the element at the beginning, if it is one of this kind, and what comes after it.
fn take(from: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = from.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
        let fold = |sum: usize, byte: &u8| sum.checked_mul(256)?.checked_add(usize::from(*byte));
        (bytes.iter().try_fold(0, fold)?, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test by openssl; its key is nobody's.
    const CERTIFICATE: &str = include_str!("certificate/test.crt");

    #[test]
    fn the_time_of_a_certificate_is_read() {
        let (view, fingerprint) = read(CERTIFICATE, CERTIFICATE).unwrap();
        let whole = view.not_after.as_second() - view.not_before.as_second();
        assert_eq!(whole, 3650 * 86_400);
        assert_eq!(fingerprint.len(), 64);
        let (same, _) = read(CERTIFICATE, CERTIFICATE).unwrap();
        assert_eq!(same, view);
        let twice = format!("{CERTIFICATE}{CERTIFICATE}");
        let (other, leaf) = read(CERTIFICATE, &twice).unwrap();
        assert_ne!(other.digest, view.digest);
        assert_eq!(leaf, fingerprint);
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        for text in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(read(text, CERTIFICATE), None, "{text}");
            assert_eq!(read(CERTIFICATE, ""), None);
        }
        for length in 0..40 {
            let cut = [
                SEQUENCE, 0x82, 0x01, 0x00, SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff,
            ];
            assert_eq!(validity(cut.get(..length).unwrap_or(&cut)), None);
        }
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let element = |tag: u8, text: &str| {
            let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
            bytes.extend(text.as_bytes());
            bytes
        };
        for (tag, text, expected) in [
            (UTC_TIME, "261121080910Z", "2026-11-21T08:09:10Z"),
            (UTC_TIME, "491121080910Z", "2049-11-21T08:09:10Z"),
            (UTC_TIME, "991121080910Z", "1999-11-21T08:09:10Z"),
            (GENERALIZED_TIME, "20501121080910Z", "2050-11-21T08:09:10Z"),
        ] {
            let bytes = element(tag, text);
            assert_eq!(time(&bytes).unwrap().0.to_string(), expected);
        }
    }
}
