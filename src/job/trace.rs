//! The place of a job in a distributed trace, in the format of W3C Trace Context (`traceparent`). Pure; must
//! never refuse a job because of it: an invalid value counts as no trace.

use std::fmt;

use uuid::Uuid;

/// The field of a job's metadata, the header and, in capitals, the variable of a command that hold it.
pub const TRACEPARENT: &str = "traceparent";

/// A span of a trace, as its children name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: u128,
    /// The span.
    pub span_id: u64,
    /// The lowest bit: it is recorded.
    pub flags: u8,
}

impl TraceParent {
    /// Reads `00-<trace>-<span>-<flags>`, also of a later version; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
        };
        let version = part(2).filter(|version| *version != "ff")?;
        let trace_id = u128::from_str_radix(part(32)?, 16).ok()?;
        let span_id = u64::from_str_radix(part(16)?, 16).ok()?;
        let flags = u8::from_str_radix(part(2)?, 16).ok()?;
        let is_whole = version != "00" || parts.next().is_none();
        (is_whole && trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, flags })
    }

    /// The span of an attempt. It follows from the lease, so that every process knows it and none stores it; a
    /// job without a parent begins a trace that has its own id.
    #[must_use]
    pub fn of_attempt(parent: Option<Self>, job_id: Uuid, lease_id: Uuid) -> Self {
        Self {
            trace_id: parent.map_or(job_id.as_u128(), |parent| parent.trace_id),
            span_id: lease_id.as_u64_pair().1,
            flags: parent.map_or(1, |parent| parent.flags & 1),
        }
    }

    /// Whether it is recorded.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn it_is_read_and_written_as_the_standard_says() {
        let parent = TraceParent::parse(TEXT).unwrap();
        assert!(parent.to_string() == TEXT && parent.is_recorded());
        assert_eq!(TraceParent::parse(&format!("cc{}-what-comes", &TEXT[2..])), Some(parent));
        assert!(!TraceParent::parse(&TEXT.replace("-01", "-00")).unwrap().is_recorded());
        let zeros = |text: &str| text.chars().map(|_| '0').collect::<String>();
        for bad in [
            String::new(),
            TEXT.to_uppercase(),
            format!("{TEXT}-x"),
            TEXT.replace("00-", "ff-"),
            TEXT[..54].to_owned(),
            TEXT.replace(&TEXT[3..35], &zeros(&TEXT[3..35])),
            TEXT.replace(&TEXT[36..52], &zeros(&TEXT[36..52])),
            TEXT.replace("0af", "+af"),
        ] {
            assert_eq!(TraceParent::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn an_attempt_continues_the_trace_of_its_job_or_begins_one() {
        let (job_id, lease_id) = (Uuid::now_v7(), Uuid::new_v4());
        let parent = TraceParent::parse(TEXT).unwrap();
        let continued = TraceParent::of_attempt(Some(parent), job_id, lease_id);
        assert_eq!((continued.trace_id, continued.flags), (parent.trace_id, 1));
        let begun = TraceParent::of_attempt(None, job_id, lease_id);
        assert_eq!((begun.trace_id, begun.span_id), (job_id.as_u128(), continued.span_id));
        assert_eq!(TraceParent::parse(&begun.to_string()), Some(begun));
    }
}
