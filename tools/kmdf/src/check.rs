//! The framework's rules, checked: [`irqlog_nt::framework`] has them, each with its source.

use irqlog_nt::{
    UnicodeString,
    framework::{
        ATTRIBUTES_LEVEL, ATTRIBUTES_PARENT, ATTRIBUTES_RANGE, ATTRIBUTES_SCOPE, CALLBACK_IRQL, CALLBACK_REGION,
        CONTEXT_TYPE, PASSIVE_LEVEL, STRUCTURE_SIZE, UNICODE_STRING,
    },
};

use crate::{
    nt,
    object::{Attributes, ContextType},
    stop::require,
};

/// The `Size` field of a structure `T`.
pub fn size<T>(stated: u32) {
    require(stated as usize == size_of::<T>(), &STRUCTURE_SIZE);
}

/// The functions that are for PASSIVE_LEVEL alone.
pub fn passive() {
    // SAFETY: it takes nothing, at any IRQL.
    require(unsafe { nt::KeGetCurrentIrql() } == 0, &PASSIVE_LEVEL);
}

/// What a callback of the driver's has to leave as it finds it.
pub struct CallbackState {
    irql: u8,
    is_in_region: bool,
}

impl CallbackState {
    /// Before the call.
    pub fn of_caller() -> Self {
        // SAFETY: it takes nothing, at any IRQL.
        let irql = unsafe { nt::KeGetCurrentIrql() };
        // SAFETY: it takes nothing; queues call back at IRQL <= DISPATCH_LEVEL.
        let is_in_region = unsafe { nt::KeAreApcsDisabled() } != 0;
        Self { irql, is_in_region }
    }

    /// After the call.
    pub fn compare(&self) {
        // SAFETY: it takes nothing, at any IRQL.
        require(unsafe { nt::KeGetCurrentIrql() } == self.irql, &CALLBACK_IRQL);
        // SAFETY: as in `of_caller`; the level has just been compared.
        require((unsafe { nt::KeAreApcsDisabled() } != 0) == self.is_in_region, &CALLBACK_REGION);
    }
}

/// A counted string that the driver gives.
pub fn string(string: &UnicodeString) {
    let kept = string.Length.is_multiple_of(2)
        && string.MaximumLength.is_multiple_of(2)
        && string.Length <= string.MaximumLength
        && (string.MaximumLength == 0 || !string.Buffer.is_null());
    require(kept, &UNICODE_STRING);
}

/// Whether the attributes of a type of object may or must name a parent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parentage {
    /// The driver may name a parent.
    Free,
    /// The framework knows it: none may be named.
    Given,
    /// The driver must name a parent.
    Needed,
}

/// The rules for the attributes of a type of object.
#[derive(Clone, Copy)]
pub struct AttributeRules {
    /// The parent.
    pub parent: Parentage,
    /// An execution level.
    pub level: bool,
    /// A synchronization scope.
    pub scope: bool,
}

/// Drivers and files.
pub const LEVEL_AND_SCOPE: AttributeRules = AttributeRules { parent: Parentage::Given, level: true, scope: true };
/// Devices and queues. (Devices name no parent here: a control device belongs to the driver.)
pub const OF_QUEUES: AttributeRules = AttributeRules { parent: Parentage::Free, level: true, scope: true };
/// Requests.
pub const OF_REQUESTS: AttributeRules = AttributeRules { parent: Parentage::Given, level: false, scope: false };
/// Timers.
pub const OF_TIMERS: AttributeRules = AttributeRules { parent: Parentage::Needed, level: true, scope: false };
/// Keys and wait locks.
pub const PLAIN: AttributeRules = AttributeRules { parent: Parentage::Free, level: false, scope: false };

/// Object attributes, if there are any.
pub fn attributes(attributes: Option<&Attributes>, allowed: AttributeRules) {
    /// WdfExecutionLevelInheritFromParent and WdfSynchronizationScopeInheritFromParent.
    const INHERIT: i32 = 1;
    const LAST_LEVEL: i32 = 3;
    /// WdfSynchronizationScopeNone.
    const NO_SCOPE: i32 = 4;
    let Some(attributes) = attributes else { return require(allowed.parent != Parentage::Needed, &ATTRIBUTES_PARENT) };
    size::<Attributes>(attributes.size);
    if let Some(context) = attributes.context_type {
        size::<ContextType>(context.size);
        require(context.context_size == 0 || !context.name.is_null(), &CONTEXT_TYPE);
    }
    let least = attributes.context_type.map_or(usize::MAX, |context| context.context_size);
    require(attributes.context_size_override == 0 || attributes.context_size_override >= least, &CONTEXT_TYPE);
    let is_parent_right = match allowed.parent {
        Parentage::Free => true,
        Parentage::Given => attributes.parent.is_null(),
        Parentage::Needed => !attributes.parent.is_null(),
    };
    require(is_parent_right, &ATTRIBUTES_PARENT);
    let (level, scope) = (attributes.execution_level, attributes.synchronization_scope);
    require((INHERIT..=LAST_LEVEL).contains(&level) && (INHERIT..=NO_SCOPE).contains(&scope), &ATTRIBUTES_RANGE);
    require(allowed.scope || scope == INHERIT || scope == NO_SCOPE, &ATTRIBUTES_SCOPE);
    require(allowed.level || level == INHERIT, &ATTRIBUTES_LEVEL);
}
