//! The words with which SQL functions answer, as enums: a verb declares its answers here once and
//! its callers match on them. Decoding is strict; must never take an unknown word for a known one.

use std::fmt::Debug;

use super::{Error, Result};
use crate::job::state::JobState;

/// An enum whose values are words in SQL.
pub(crate) trait Words: Copy + Debug + 'static {
    /// What the words say, for errors.
    const ABOUT: &'static str;
    /// Every value.
    const ALL: &'static [Self];

    /// Its word in SQL.
    fn sql(self) -> &'static str;

    /// The value of a word.
    ///
    /// # Errors
    /// For an unknown word; the error names it.
    fn decode(word: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|known| known.sql() == word);
        known.copied().ok_or_else(|| Error::UnknownWord { about: Self::ABOUT, word: word.to_owned() })
    }

    /// As [`Words::decode`], for an answer that may be null.
    ///
    /// # Errors
    /// As [`Words::decode`].
    fn decode_some(word: Option<String>) -> Result<Option<Self>> {
        word.as_deref().map(Self::decode).transpose()
    }
}

/// Declares an enum with its words in SQL.
macro_rules! words {
    (
        $(#[$about_it:meta])*
        pub enum $name:ident, $about:literal {
            $($(#[$about_one:meta])* $value:ident = $word:literal,)+
        }
    ) => {
        $(#[$about_it])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$about_one])* $value,)+
        }

        impl $name {
            /// Its word, as in SQL.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl $crate::store::words::Words for $name {
            const ABOUT: &'static str = $about;
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn sql(self) -> &'static str {
                self.word()
            }
        }
    };
}

pub(crate) use words;

impl Words for JobState {
    const ABOUT: &'static str = "the state of a job";
    const ALL: &'static [Self] = &Self::ALL;

    fn sql(self) -> &'static str {
        self.word()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::store::attempts::settle::AttemptEnd;
    use crate::store::attempts::signals::SignalOutcome;
    use crate::store::attempts::sweep::SweepReason;
    use crate::store::jobs::cancel::CancelOutcome;
    use crate::store::jobs::delete::DeleteOutcome;
    use crate::store::jobs::enqueue::InsertOutcome;
    use crate::store::jobs::feed::What;
    use crate::store::schedule_slots::{MissedPolicy, SlotOutcome};

    fn each_word_is_one_value<W: Words + PartialEq>() {
        for known in W::ALL {
            assert!(W::decode(known.sql()).unwrap() == *known, "{known:?}");
        }
        let words: HashSet<_> = W::ALL.iter().map(|known| known.sql()).collect();
        assert_eq!(words.len(), W::ALL.len(), "{}: two values have one word", W::ABOUT);
        for unknown in ["", "unheard_of", &W::ALL[0].sql().to_uppercase()] {
            let error = W::decode(unknown).unwrap_err();
            assert!(matches!(&error, Error::UnknownWord { word, .. } if word == unknown), "{error}");
            assert!(!error.is_transient());
            let text = error.to_string();
            assert!(text.contains(&format!("{unknown:?}")) && text.contains(W::ABOUT), "{text}");
        }
        assert!(W::decode_some(None).unwrap().is_none());
        assert!(W::decode_some(Some("unheard_of".into())).is_err());
    }

    #[test]
    fn every_word_is_read_back_and_no_other() {
        each_word_is_one_value::<JobState>();
        each_word_is_one_value::<AttemptEnd>();
        each_word_is_one_value::<CancelOutcome>();
        each_word_is_one_value::<DeleteOutcome>();
        each_word_is_one_value::<InsertOutcome>();
        each_word_is_one_value::<MissedPolicy>();
        each_word_is_one_value::<SignalOutcome>();
        each_word_is_one_value::<SlotOutcome>();
        each_word_is_one_value::<SweepReason>();
        each_word_is_one_value::<What>();
    }
}
