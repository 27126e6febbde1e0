//! Who holds the lease: one process. Pure.

/// Unique for a process. Of one in a pod it tells the pod, too: a kubelet starts a container again only when its
/// forerunner has ended, so whoever held the lease in this very pod before us is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    text: String,
    /// How all processes of our pod begin; none outside of a pod.
    of_pod: Option<String>,
}

impl Identity {
    /// A new one. The uid tells a pod from another one of the same name.
    pub fn new(pod_name: &str, pod_uid: Option<&str>) -> Self {
        let of_pod = pod_uid.map(|uid| format!("{pod_name}_{uid}_"));
        let begin = of_pod.clone().unwrap_or_else(|| format!("{pod_name}_"));
        Self {
            text: format!("{begin}{:08x}", rand::random::<u32>()),
            of_pod,
        }
    }

    /// As it stands in the Lease.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the holder is a process of our pod that ended before we began.
    pub(super) fn is_forerunner(&self, holder: &str) -> bool {
        let of_pod = self.of_pod.as_deref();
        holder != self.text && of_pod.is_some_and(|of_pod| holder.starts_with(of_pod))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_the_very_same_pod_is_a_forerunner() {
        let of = |name, uid| Identity::new(name, uid);
        let us = of("zoneward-a", Some("uid-1"));
        for (holder, is_forerunner) in [
            (of("zoneward-a", Some("uid-1")), true),
            (us.clone(), false),
            (of("zoneward-a", Some("uid-2")), false),
            (of("zoneward-a", Some("uid-11")), false),
            (of("zoneward-b", Some("uid-1")), false),
            (of("zoneward-a", None), false),
        ] {
            assert_eq!(
                us.is_forerunner(holder.as_str()),
                is_forerunner,
                "{holder:?}"
            );
        }
        let outside = of("zoneward", None);
        assert!(!outside.is_forerunner(of("zoneward", None).as_str()));
    }
}
