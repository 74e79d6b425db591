//! The encodings in which a text can appear: percent-encoded in an address, with JSON escapes, in
//! capitals, with other white space. A match in an encoding is answered with its place in the
//! original text.

use std::ops::Range;

/// A text with its escapes decoded, in lower case, each run of white space as one space.
pub(super) struct Reading {
    text: String,
    /// The position in the original text of each byte, and of the end.
    places: Vec<usize>,
}

/// Decodes an escape at the start of a text: the character and the length of the escape.
type Reader = fn(&str) -> Option<(char, usize)>;

impl Reading {
    /// Every decoding of it; twice where escapes may be escaped themselves.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let plain = Self::plain(text);
        let mut readings = Vec::new();
        for (sign, reader) in [('%', percent as Reader), ('\\', backslash)] {
            if plain.text.contains(sign) {
                let once = plain.again(reader);
                readings.extend(once.text.contains(sign).then(|| once.again(reader)));
                readings.push(once);
            }
        }
        if plain.text.contains('+') {
            readings.push(plain.again(plus).again(percent));
        }
        readings.push(plain);
        readings
    }

    /// The positions of a plain text in the original.
    pub(super) fn find<'a>(&'a self, plain: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let place = |(at, found): (usize, &str)| self.places[at]..self.places[at + found.len()];
        self.text.match_indices(plain).map(place)
    }

    fn plain(text: &str) -> Self {
        let mut reading = Self { text: String::with_capacity(text.len()), places: Vec::new() };
        text.char_indices().for_each(|(place, letter)| reading.push(letter, place));
        reading.places.push(text.len());
        reading
    }

    fn again(&self, reader: Reader) -> Self {
        let mut again = Self { text: String::with_capacity(self.text.len()), places: Vec::new() };
        let mut at = 0;
        while let Some(letter) = self.text[at..].chars().next() {
            let (letter, length) = reader(&self.text[at..]).unwrap_or((letter, letter.len_utf8()));
            again.push(letter, self.places[at]);
            at += length;
        }
        again.places.push(self.places[self.text.len()]);
        again
    }

    fn push(&mut self, letter: char, place: usize) {
        let letter = if letter.is_whitespace() { ' ' } else { letter.to_ascii_lowercase() };
        if letter != ' ' || !self.text.ends_with(' ') {
            self.text.push(letter);
            self.places.resize(self.text.len(), place);
        }
    }
}

/// A text to search for.
pub(super) fn plain(text: &str) -> String {
    Reading::plain(text.trim()).text
}

/// A text before it was encoded into an address.
pub(super) fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (letter, length) = percent(rest).unwrap_or((letter, letter.len_utf8()));
        decoded.push(letter);
        rest = &rest[length..];
    }
    decoded
}

fn percent(text: &str) -> Option<(char, usize)> {
    let byte = |index: usize| {
        let digits = text.as_bytes().get(index * 3..index * 3 + 3)?;
        let digits = std::str::from_utf8(digits.strip_prefix(b"%")?).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let first = byte(0)?;
    let length = match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    let bytes: Option<Vec<u8>> = (0..length).map(byte).collect();
    let letter = bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.chars().next());
    Some(letter.map_or((char::from(first), 3), |letter| (letter, length * 3)))
}

fn plus(text: &str) -> Option<(char, usize)> {
    text.starts_with('+').then_some((' ', 1))
}

fn backslash(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('\\')?;
    let letter = rest.chars().next()?;
    let of_number = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    match letter {
        'n' | 'r' | 't' => Some((' ', 2)),
        'u' if rest[1..].starts_with('{') => {
            let end = rest.find('}')?;
            Some((of_number(&rest[2..end])?, end + 2))
        }
        'u' => Some((of_number(rest.get(1..5)?)?, 6)),
        _ => Some((letter, 1 + letter.len_utf8())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_written_and_at_its_own_place() {
        let secret = plain("Ä \"b\"\\c/d");
        for written in [
            "Ä \"b\"\\c/d",
            "Ä\n\t \"B\"\\C/D",
            "%C3%84%20%22b%22%5cc%2Fd",
            "%C3%84+%22b%22%5Cc/d",
            "%25C3%2584%2520%2522b%2522%255Cc%252Fd",
            r#"Ä \"b\"\\c\/d"#,
            r"\u00c4 \u0022b\u{22}\\c/d",
            r#"Ä \\\"b\\\"\\\\c/d"#,
        ] {
            let text = format!("é%+\\ <{written}> x");
            let found: Vec<&str> = Reading::all(&text)
                .iter()
                .flat_map(|reading| reading.find(&secret).collect::<Vec<_>>())
                .map(|place| &text[place])
                .collect();
            assert!(!found.is_empty() && found.iter().all(|found| *found == written), "{written}: {found:?}");
        }
    }

    #[test]
    fn what_only_looks_escaped_is_left() {
        assert_eq!(decoded("100% of%zz%e2%82%ac%ff%"), "100% of%zz€ÿ%");
        assert!(Reading::all(r"\u{zz} \u12 \ü %é \").iter().all(|reading| reading.find("x").count() == 0));
    }
}
