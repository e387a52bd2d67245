//! SCRAM (RFC 5802): from a password to the keys that a server keeps.
//!
//! A client sends a salted password, never the password; the server keeps two keys made of it.
//! Not here: the exchange of a login. Must hold: nothing here is printed or compared.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

/// A mechanism, with the numbers of Kafka's `ScramMechanism`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256 = 1,
    /// SCRAM-SHA-512.
    Sha512 = 2,
}

/// The fewest iterations that a credential may have.
pub const ITERATIONS_MIN: i32 = 4_096;
/// The most iterations that a credential may have.
pub const ITERATIONS_MAX: i32 = 16_384;

impl ScramMechanism {
    /// Both.
    pub const ALL: [ScramMechanism; 2] = [ScramMechanism::Sha256, ScramMechanism::Sha512];

    /// The mechanism with this number.
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.number() == number)
    }

    /// The mechanism with this name of SASL.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Kafka's number.
    pub fn number(self) -> i8 {
        match self {
            ScramMechanism::Sha256 => 1,
            ScramMechanism::Sha512 => 2,
        }
    }

    /// The name of SASL.
    pub fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The password as clients send it to a server that is to keep it: `Hi` of the RFC.
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: i32) -> Vec<u8> {
        let hmac = |data: &[u8]| self.hmac(password.as_bytes(), data);
        let mut last = hmac(&[salt, &1_u32.to_be_bytes()].concat());
        let mut salted = last.clone();
        for _ in 1..iterations {
            last = hmac(&last);
            salted.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
        }
        salted
    }

    /// What a server keeps of a salted password: the stored key, and the server key.
    pub fn keys(self, salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let client_key = self.hmac(salted_password, b"Client Key");
        let stored_key = match self {
            ScramMechanism::Sha256 => Sha256::digest(&client_key).to_vec(),
            ScramMechanism::Sha512 => Sha512::digest(&client_key).to_vec(),
        };
        (stored_key, self.hmac(salted_password, b"Server Key"))
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => mac(Hmac::<Sha256>::new_from_slice(key), data),
            ScramMechanism::Sha512 => mac(Hmac::<Sha512>::new_from_slice(key), data),
        }
    }
}

fn mac<M: Mac>(made: Result<M, hmac::digest::InvalidLength>, data: &[u8]) -> Vec<u8> {
    made.expect("HMAC takes keys of any length").chain_update(data).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_are_those_that_apache_kafka_keeps() {
        // ScramFormatter of kafka-clients 4.3.1: hi, storedKey, serverKey for "pencil", salt 1 2 3
        // 4, 64 iterations.
        let check = |mechanism: ScramMechanism, expect: [&str; 3]| {
            let salted = mechanism.salted_password("pencil", &[1, 2, 3, 4], 64);
            let (stored_key, server_key) = mechanism.keys(&salted);
            assert_eq!([hex(&salted), hex(&stored_key), hex(&server_key)], expect);
        };
        check(
            ScramMechanism::Sha256,
            [
                "9c6a12794484b04420b872809473d571cf7582fcfd0a015636dec32aea2f04b1",
                "45bdd16e0e9e6069531b3f8ba5291135263adacb2ad76ce6e54cd20191767197",
                "a359d3caf8083f1f1745fb5da50e79fa9be2e046e8675407df35a518f2205105",
            ],
        );
        check(
            ScramMechanism::Sha512,
            [
                "51bcf51044416f85aaceea927ee72ca4a4cea4483dda735c95466019057f7160\
             d70f16a663c38275382312a74945848c014519424d4fdb82542047e44fd51ad3",
                "721af2e4081a48b432db7116597626d96d05a6ba759b3e321bd2547142bb79e8\
             e57b952ea560be32132dd6ab8b4f9e9ed9f43381fb998d861d121a077a6c0e0b",
                "c2687e5964cfd9809a4482a403289ef023150ba4439fa3463baffb95c2f01f57\
             22c02ce11ce962608cd92564d1766966ccd34809036e5f34621c2afbdb433497",
            ],
        );
    }

    #[test]
    fn mechanisms_are_known_by_number_and_name() {
        for mechanism in ScramMechanism::ALL {
            assert_eq!(ScramMechanism::from_number(mechanism.number()), Some(mechanism));
            assert_eq!(ScramMechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(ScramMechanism::from_number(0), None);
        assert_eq!(ScramMechanism::from_name("PLAIN"), None);
    }
}
