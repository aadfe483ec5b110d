//! Users: an id that others may see, and a token that proves it.

use std::fmt;

use axum::http::{header, HeaderMap};

/// The id of a user, as others see it: a random UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserId([u8; 16]);

impl UserId {
    fn random() -> UserId {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        UserId(bytes)
    }

    fn parse(text: &str) -> Option<UserId> {
        let digits: String = text.chars().filter(|&digit| digit != '-').collect();
        let id = UserId(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes());
        // One spelling only.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({self})")
    }
}

/// The name of the cookie that holds a token.
const COOKIE: &str = "jam_user";

/// Makes users and proves who they are: a token is the id and a keyed hash of it, so the server
/// keeps no list of users.
#[derive(Debug)]
pub(crate) struct Users {
    key: [u8; 32],
}

impl Users {
    /// Creates users whose tokens that key proves.
    pub(crate) fn new(key: [u8; 32]) -> Users {
        Users { key }
    }

    /// Returns a new key.
    pub(crate) fn random_key() -> [u8; 32] {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system has random bytes");
        key
    }

    /// Creates a user.
    pub(crate) fn create(&self) -> (UserId, String) {
        let id = UserId::random();
        (id, format!("{id}.{}", self.proof(id).to_hex()))
    }

    fn proof(&self, id: UserId) -> blake3::Hash {
        blake3::keyed_hash(&self.key, &id.0)
    }

    /// Returns the user that the token proves.
    pub(crate) fn verify(&self, token: &str) -> Option<UserId> {
        let (id, proof) = token.split_once('.')?;
        let (id, proof) = (UserId::parse(id)?, blake3::Hash::from_hex(proof).ok()?);
        // `blake3::Hash` compares in constant time.
        (proof == self.proof(id)).then_some(id)
    }

    /// Returns the token of the request's cookie and its user.
    pub(crate) fn of_cookie(&self, headers: &HeaderMap) -> Option<(UserId, String)> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|text| text.to_str().ok());
        let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| {
            let (name, token) = pair.trim().split_once('=')?;
            (name == COOKIE).then_some(token)
        });
        pairs.find_map(|token| Some((self.verify(token)?, token.to_owned())))
    }

    /// Returns the header that sets the cookie.
    pub(crate) fn cookie(token: &str) -> String {
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_proves_its_user_alone() {
        let (users, others) = (Users::new([1; 32]), Users::new([2; 32]));
        let (id, token) = users.create();
        assert_eq!(users.verify(&token), Some(id));
        assert_eq!(others.verify(&token), None);
        let (other, foreign) = users.create();
        assert_ne!(id, other);
        let proof = foreign.split_once('.').unwrap().1;
        for forged in ["", ".", &format!("{id}."), &format!("{id}.{proof}"), &token[1..]] {
            assert_eq!(users.verify(forged), None, "{forged}");
        }
        // Another spelling of the same id.
        let digits = token.replacen('-', "", 1);
        assert_eq!(users.verify(&digits), None);
        assert_eq!(users.verify(&token.to_uppercase()), None);
    }

    #[test]
    fn a_user_id_is_a_uuid() {
        let text = UserId::random().to_string();
        let bytes: Vec<char> = text.chars().collect();
        assert_eq!((bytes.len(), bytes[14]), (36, '4'));
        assert!(matches!(bytes[19], '8' | '9' | 'a' | 'b'));
        assert_eq!(UserId::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let users = Users::new(Users::random_key());
        let (id, token) = users.create();
        let mut headers = HeaderMap::new();
        assert_eq!(users.of_cookie(&headers), None);
        headers.insert(header::COOKIE, format!("a=b; {COOKIE}={token}; c").parse().unwrap());
        assert_eq!(users.of_cookie(&headers), Some((id, token)));
        headers.insert(header::COOKIE, format!("{COOKIE}=x").parse().unwrap());
        assert_eq!(users.of_cookie(&headers), None);
    }
}
