//! Encrypts JSON values with AES-256-GCM-SIV (RFC 8452) under named keys, so that the database
//! content is unreadable without them. A key must never appear in an error or a log.

use std::fmt;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::{Result, VaultError};
use super::reserved::SEALED;

/// The kind of a value: a value encrypted as one kind cannot be decrypted as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Its args.
    Args,
    /// Its result.
    Result,
    /// A stored answer for repeated requests.
    Answer,
    /// A handler's state between attempts.
    Memory,
}

impl Field {
    const fn word(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Result => "result",
            Self::Answer => "answer",
            Self::Memory => "memory",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Args, Self::Result, Self::Answer, Self::Memory].into_iter().find(|field| field.word() == word)
    }
}

struct Key {
    name: String,
    cipher: Aes256GcmSiv,
}

/// The keys of a process: the first encrypts, all decrypt.
#[derive(Default)]
pub struct Keyring(Vec<Key>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

impl Keyring {
    /// Parses keys of the form `name:base64 of 32 bytes`, the encrypting one first.
    ///
    /// # Errors
    /// For an invalid key, and for two keys of one name; the error names it.
    pub fn read(keys: &[String]) -> Result<Self> {
        let mut ring = Vec::with_capacity(keys.len());
        for (at, text) in keys.iter().enumerate() {
            let bad = |why| VaultError::BadKey { which: at + 1, why };
            let (name, secret) =
                text.split_once(':').ok_or_else(|| bad("it does not begin with a name and a colon"))?;
            if name.is_empty() || ring.iter().any(|key: &Key| key.name == name) {
                return Err(bad("its name is empty or used twice"));
            }
            let secret =
                STANDARD.decode(secret.trim()).map_err(|_| bad("the text after the colon is not base64"))?;
            let cipher = Aes256GcmSiv::new_from_slice(&secret)
                .map_err(|_| bad("it must have 32 bytes, which are 44 characters of base64"))?;
            ring.push(Key { name: name.to_owned(), cipher });
        }
        Ok(Self(ring))
    }

    /// Whether nothing is encrypted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The encrypted value; without keys, the value itself. Equal for equal values and nonces, which RFC
    /// 8452 allows, so that a worker's repeated request is recognised.
    ///
    /// # Errors
    /// When the value has more than 64 GiB.
    pub fn seal(&self, field: Field, nonce: [u8; 12], value: &Value) -> Result<Value> {
        let Some(key) = self.0.first() else { return Ok(value.clone()) };
        let text = value.to_string();
        let payload = Payload { msg: text.as_bytes(), aad: field.word().as_bytes() };
        let sealed = key.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::Unsealable)?;
        let data = STANDARD.encode([nonce.as_slice(), &sealed].concat());
        Ok(json!({ SEALED: { "key": key.name, "of": field.word(), "data": data } }))
    }

    /// The decrypted value; `sealed` is the value under [`SEALED`].
    ///
    /// # Errors
    /// Without its key, and for a changed value.
    pub fn open(&self, sealed: &Value) -> Result<Value> {
        let name = sealed["key"].as_str().unwrap_or_default();
        let key = self.0.iter().find(|key| key.name == name);
        let key = key.ok_or_else(|| VaultError::MissingKey { name: name.to_owned() })?;
        let damaged = || VaultError::Damaged { name: name.to_owned() };
        let field = sealed["of"].as_str().and_then(Field::of).ok_or_else(damaged)?;
        let data = STANDARD.decode(sealed["data"].as_str().unwrap_or_default()).map_err(|_| damaged())?;
        let (nonce, msg) = data.split_first_chunk::<12>().ok_or_else(damaged)?;
        let payload = Payload { msg, aad: field.word().as_bytes() };
        let text = key.cipher.decrypt(&Nonce::from(*nonce), payload).map_err(|_| damaged())?;
        serde_json::from_slice(&text).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(names: &[(&str, u8)]) -> Keyring {
        let keys: Vec<String> =
            names.iter().map(|(name, byte)| format!("{name}:{}", STANDARD.encode([*byte; 32]))).collect();
        Keyring::read(&keys).unwrap()
    }

    #[test]
    fn a_newer_key_seals_and_the_older_still_opens() {
        let (old, both) = (ring(&[("a", 1)]), ring(&[("b", 2), ("a", 1)]));
        let value = json!({ "card": "4111" });
        let first = old.seal(Field::Args, [7; 12], &value).unwrap();
        assert!(!first.to_string().contains("4111"));
        assert_eq!(both.open(&first[SEALED]).unwrap(), value);
        let second = both.seal(Field::Args, [7; 12], &value).unwrap();
        assert_eq!(second[SEALED]["key"], "b");
        assert!(matches!(old.open(&second[SEALED]), Err(VaultError::MissingKey { name }) if name == "b"));
    }

    #[test]
    fn what_was_changed_or_is_another_field_does_not_open() {
        let ring = ring(&[("a", 1)]);
        let sealed = ring.seal(Field::Args, [7; 12], &json!({ "to": "x" })).unwrap();
        assert_eq!(sealed, ring.seal(Field::Args, [7; 12], &json!({ "to": "x" })).unwrap());
        let mut other = sealed[SEALED].clone();
        other["of"] = "result".into();
        assert!(matches!(ring.open(&other), Err(VaultError::Damaged { .. })));
        let mut cut = sealed[SEALED].clone();
        cut["data"] = "AAAA".into();
        assert!(matches!(ring.open(&cut), Err(VaultError::Damaged { .. })));
    }

    #[test]
    fn bad_keys_are_refused_without_being_shown() {
        let short = format!("a:{}", STANDARD.encode([1; 31]));
        let good = format!("a:{}", STANDARD.encode([1; 32]));
        for keys in [vec!["no colon".to_owned()], vec!["a:?".into()], vec![short], vec![good.clone(), good]] {
            let error = Keyring::read(&keys).unwrap_err().to_string();
            assert!(!error.contains("AQEB"), "{error}");
        }
    }
}
