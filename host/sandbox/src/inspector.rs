//! A look into guest memory, for the proof that no secret is ever in it. Tests only: it needs
//! code compiled for debugging, in an engine of its own.

use wasmtime::{AsContextMut, CallHook, Store, StoreContextMut};

use crate::guest::Guest;

/// When a guest's memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The guest calls the host.
    HostCall,
    /// The host returns to the guest.
    HostReturn,
    /// The call is over and its store is about to be dropped.
    BeforeDrop,
}

/// Is shown every byte of a guest's memories at every [`Moment`].
pub trait Inspector: Send + Sync {
    /// Looks at one memory. Called once for each memory of each core instance.
    fn look(&self, moment: Moment, memory: &[u8]);
}

/// Has the store's inspector, if there is one, look at each crossing between guest and host.
pub(crate) fn watch(store: &mut Store<Guest>) {
    if store.data().engines.inspector.is_none() {
        return;
    }
    store.call_hook(|store, hook| {
        match hook {
            CallHook::CallingHost => look(store, Moment::HostCall),
            CallHook::ReturningFromHost => look(store, Moment::HostReturn),
            CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
        }
        Ok(())
    });
}

/// Shows all memories to the store's inspector.
pub(crate) fn look(mut store: StoreContextMut<'_, Guest>, moment: Moment) {
    let Some(inspector) = store.data().engines.inspector.clone() else { return };
    for instance in store.as_context_mut().debug_all_instances() {
        for index in 0.. {
            let Some(memory) = instance.debug_memory(&mut store, index) else { break };
            inspector.look(moment, memory.data(&store));
        }
    }
}
