//! Ids and tickets as strings of a format.

use std::fmt::{Debug, Display};

use headcount::Lobby;
use serde::{de::DeserializeOwned, Serialize};

fn is_what_it_prints<T>(value: T)
where
    T: Copy + PartialEq + Debug + Display + Serialize + DeserializeOwned,
{
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(text, format!("\"{value}\""));
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value);
    let upper = text.to_uppercase();
    assert!(upper == text || serde_json::from_str::<T>(&upper).is_err());
    for wrong in ["\"\"", "7", "null", "\"a seat\""] {
        assert!(serde_json::from_str::<T>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_room_id_is_a_string() {
    is_what_it_prints(Lobby::new(7).filling());
    let refused = serde_json::from_str::<headcount::RoomId>("\"a room\"").unwrap_err();
    assert!(refused.to_string().starts_with("not a room id"), "{refused}");
}

#[cfg(feature = "holds")]
#[test]
fn a_ticket_is_a_string() {
    is_what_it_prints(headcount::Holds::new(std::time::Duration::MAX).put(()));
}
