//! The names of cookies. Must never accept a name that a header would break.

use super::value::Setting;

/// The name of a cookie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd)]
pub struct CookieName(pub String);

impl Setting for CookieName {
    fn allowed() -> String {
        "1 to 64 letters, digits, _ and -".into()
    }

    fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        ((1..=64).contains(&text.len()) && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_in_a_header() {
        assert_eq!(CookieName::parse("__Host-tidemill"), Some(CookieName("__Host-tidemill".into())));
        for bad in ["", "a b", "a=b", "a;b", "\u{e4}", "a\n", &"x".repeat(65)] {
            assert_eq!(CookieName::parse(bad), None, "{bad}");
        }
    }
}
