//! Cuts a stream of bytes into storable lines of text, in bounded memory for any input. Must never
//! lose a line, and must mark a shortened one.

use crate::job::text::{storable_text, truncation_mark};

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Lossy UTF-8 without NUL; cut lines end with a mark.
    pub text: String,
    /// True if the line was longer than the limit.
    pub cut: bool,
}

/// Which bytes end a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// `\n` and `\r\n`, as in JSON lines.
    LineFeed,
    /// Also a lone `\r`, so that each frame of a progress bar is seen as it comes.
    Terminal,
}

/// Collects bytes until a line is complete.
#[derive(Debug)]
pub struct Lines {
    ends: Ends,
    limit_bytes: usize,
    kept: Vec<u8>,
    full_bytes: usize,
    /// The last line ended with `\r`: a `\n` right after it belongs to the same line end.
    after_return: bool,
}

impl Lines {
    #[must_use]
    pub fn new(ends: Ends, limit_bytes: usize) -> Self {
        Self { ends, limit_bytes, kept: Vec::new(), full_bytes: 0, after_return: false }
    }

    /// Takes the next bytes and gives the lines that they complete.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(at) = bytes.iter().position(|&byte| self.is_end(byte)) {
            self.keep(&bytes[..at]);
            lines.extend(self.end(bytes[at]));
            bytes = &bytes[at + 1..];
        }
        self.keep(bytes);
        lines
    }

    /// The last line, if the stream ended without a line end.
    pub fn finish(&mut self) -> Option<Line> {
        (self.full_bytes > 0).then(|| self.take())
    }

    fn is_end(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == b'\r' && self.ends == Ends::Terminal)
    }

    fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let free = self.limit_bytes - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(free)]);
        self.full_bytes += bytes.len();
        self.after_return = false;
    }

    fn end(&mut self, byte: u8) -> Option<Line> {
        let empty = self.full_bytes == 0;
        if byte == b'\r' {
            // A lone return on an empty line shows nothing; if `\n` follows, that ends the line.
            self.after_return |= !empty;
            return (!empty).then(|| self.take());
        }
        if empty && std::mem::take(&mut self.after_return) {
            return None;
        }
        Some(self.take())
    }

    fn take(&mut self) -> Line {
        let cut = self.full_bytes > self.kept.len();
        if !cut && self.ends == Ends::LineFeed && self.kept.last() == Some(&b'\r') {
            self.kept.pop();
        }
        let whole = if cut { without_partial_character(&self.kept) } else { &self.kept };
        let mut text = storable_text(String::from_utf8_lossy(whole).into_owned());
        if cut {
            text.push_str(&truncation_mark(self.full_bytes));
        }
        self.kept.clear();
        self.full_bytes = 0;
        Line { text, cut }
    }
}

/// A cut may fall into a character; its first bytes would show as a replacement character.
fn without_partial_character(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ends: Ends, limit_bytes: usize, chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(ends, limit_bytes);
        let mut found: Vec<_> = chunks.iter().flat_map(|chunk| lines.push(chunk)).collect();
        found.extend(lines.finish());
        found.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_end_like_on_a_terminal() {
        let chunks: [&[u8]; 4] = [b"a\nb\r", b"\n\r\nc\r", b"d\r\r\n", b"\re\n\nf"];
        assert_eq!(all(Ends::Terminal, 100, &chunks), ["a", "b", "", "c", "d", "e", "", "f"]);
    }

    #[test]
    fn every_split_gives_the_same_lines() {
        let bytes = "one\r\ntwo\rthree\n\r\n\u{1b}[31mrot\u{1b}[0m\nfür\r".as_bytes();
        let whole = all(Ends::Terminal, 100, &[bytes]);
        assert_eq!(whole, ["one", "two", "three", "", "\u{1b}[31mrot\u{1b}[0m", "für"]);
        for at in 0..bytes.len() {
            assert_eq!(all(Ends::Terminal, 100, &[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
        }
    }

    #[test]
    fn json_lines_may_end_with_return_and_line_feed() {
        assert_eq!(all(Ends::LineFeed, 100, &[b"{\"a\":\r1}\r\n{}\n"]), ["{\"a\":\r1}", "{}"]);
    }

    #[test]
    fn a_long_line_is_cut_and_marked() {
        let text = all(Ends::Terminal, 5, &["abcdü".as_bytes(), b"fgh\nnext"]);
        assert_eq!(text, ["abcd… [truncated, 9 bytes in all]", "next"]);
        assert_eq!(all(Ends::Terminal, 4, &[b"abcd\n"]), ["abcd"]);
    }

    #[test]
    fn what_is_no_text_is_shown_all_the_same() {
        assert_eq!(all(Ends::Terminal, 100, &[b"a\xff\0b\n"]), ["a\u{fffd}\\u0000b"]);
    }
}
