//! A field of a PATCH: absent keeps the present value, null removes it, a value replaces it.

use serde::{Deserialize, Deserializer};

use crate::api::server::problem::Problem;

/// The change of one setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// The field was left out.
    #[default]
    Keep,
    /// It was null.
    Clear,
    /// It had this value.
    Set(T),
}

impl<T> Change<T> {
    /// Checks the value, if there is one.
    pub(crate) fn checked<U>(
        self,
        check: impl FnOnce(T) -> Result<U, Problem>,
    ) -> Result<Change<U>, Problem> {
        Ok(match self {
            Self::Keep => Change::Keep,
            Self::Clear => Change::Clear,
            Self::Set(value) => Change::Set(check(value)?),
        })
    }

    /// The value after the change.
    pub(crate) fn apply_to(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// True if the field was left out.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(input)?.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        field: Change<i32>,
    }

    #[test]
    fn absent_null_and_a_value_differ() {
        let read = |text: &str| serde_json::from_str::<Body>(text).unwrap().field;
        assert_eq!(read("{}"), Change::Keep);
        assert_eq!(read(r#"{"field": null}"#), Change::Clear);
        assert_eq!(read(r#"{"field": 7}"#), Change::Set(7));
        assert_eq!(
            [Change::Keep, Change::Clear, Change::Set(2)].map(|c| c.apply_to(Some(1))),
            [Some(1), None, Some(2)]
        );
    }
}
