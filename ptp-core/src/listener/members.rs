//! The sessions of a listener: how many there are, and which a caller may go on with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::driver;
use crate::planted::{Bug, planted};
use crate::session::Session;
use crate::trust::PublicKey;

/// The sessions that a listener holds.
#[derive(Clone, Default)]
pub(super) struct Members(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    next: u64,
    taken: Vec<(u64, Option<Member>)>,
}

/// A session that can go on over another connection.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) key: PublicKey,
    session: [u8; 16],
    shared: Weak<driver::Shared>,
}

/// A place among the members, for as long as it is held.
pub(super) struct Place {
    members: Members,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.members.leave(self.number);
    }
}

impl Members {
    /// Takes a place, if there are fewer than `most`.
    pub(super) fn join(&self, most: usize) -> Option<Place> {
        let mut places = self.lock();
        if places.taken.len() >= most {
            return None;
        }
        places.next += 1;
        let number = places.next;
        places.taken.push((number, None));
        Some(Place {
            members: self.clone(),
            number,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.lock().taken.len()
    }

    /// The session with this number, if it is held with this peer.
    pub(super) fn find(&self, key: PublicKey, session: [u8; 16]) -> Option<Arc<driver::Shared>> {
        let places = self.lock();
        let members = places
            .taken
            .iter()
            .filter_map(|(_, member)| member.as_ref());
        members
            .filter(|member| member.key == key || planted(Bug::CallerUnchecked))
            .find(|member| member.session == session)?
            .shared
            .upgrade()
    }

    /// The sessions that are held with this peer, and their places.
    pub(super) fn of(&self, key: PublicKey) -> Vec<(u64, Arc<driver::Shared>)> {
        let places = self.lock();
        let of_peer = places.taken.iter().filter_map(|(number, member)| {
            let member = member.as_ref().filter(|member| member.key == key)?;
            Some((*number, member.shared.upgrade()?))
        });
        of_peer.collect()
    }

    /// Gives a place back, before whoever holds it does.
    pub(super) fn leave(&self, number: u64) {
        self.lock().taken.retain(|(other, _)| *other != number);
    }

    /// Nobody can call any more.
    pub(super) fn close_doors(&self) {
        let members: Vec<_> = self.lock().taken.to_vec();
        for (_, member) in members {
            if let Some(shared) = member.and_then(|member| member.shared.upgrade()) {
                shared.close_door();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Enters the session that takes the place.
    pub(super) fn enter(&self, key: PublicKey, number: [u8; 16], session: &Session) {
        let Some(shared) = session.shared() else {
            return;
        };
        let member = Member {
            key,
            session: number,
            shared: Arc::downgrade(shared),
        };
        let mut places = self.members.lock();
        let own = places.taken.iter_mut().find(|(it, _)| *it == self.number);
        if let Some((_, place)) = own {
            *place = Some(member);
        }
    }
}
