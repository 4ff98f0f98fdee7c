//! The messages of Perfetto's trace format, as far as an export needs them.
//!
//! Names and numbers are those of `protos/perfetto/trace` in google/perfetto.

/// `TracePacket`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TracePacket {
    #[prost(message, optional, tag = "6")]
    pub clock_snapshot: Option<ClockSnapshot>,
    #[prost(uint64, optional, tag = "8")]
    pub timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    pub trusted_packet_sequence_id: Option<u32>,
    #[prost(message, optional, tag = "11")]
    pub track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "12")]
    pub interned_data: Option<InternedData>,
    #[prost(uint32, optional, tag = "13")]
    pub sequence_flags: Option<u32>,
    #[prost(message, optional, tag = "39")]
    pub android_log: Option<AndroidLogPacket>,
    #[prost(message, optional, tag = "60")]
    pub track_descriptor: Option<TrackDescriptor>,
}

/// Bits of `TracePacket.sequence_flags`.
pub(crate) mod sequence_flags {
    /// `SEQ_INCREMENTAL_STATE_CLEARED`.
    pub(crate) const INCREMENTAL_STATE_CLEARED: u32 = 1;
    /// `SEQ_NEEDS_INCREMENTAL_STATE`.
    pub(crate) const NEEDS_INCREMENTAL_STATE: u32 = 2;
}

/// `ClockSnapshot`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClockSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub clocks: Vec<SnapshotClock>,
}

/// `ClockSnapshot.Clock`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct SnapshotClock {
    #[prost(uint32, optional, tag = "1")]
    pub clock_id: Option<u32>,
    #[prost(uint64, optional, tag = "2")]
    pub timestamp: Option<u64>,
}

/// Values of `BuiltinClock`.
pub(crate) mod builtin_clock {
    /// `BUILTIN_CLOCK_REALTIME`: time of day.
    pub(crate) const REALTIME: u32 = 1;
    /// `BUILTIN_CLOCK_BOOTTIME`: what a timestamp without a clock counts.
    pub(crate) const BOOTTIME: u32 = 6;
}

/// `TrackEvent`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TrackEvent {
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub category_iids: Vec<u64>,
    #[prost(message, repeated, tag = "4")]
    pub debug_annotations: Vec<DebugAnnotation>,
    #[prost(int32, optional, tag = "9")]
    pub r#type: Option<i32>,
    #[prost(uint64, optional, tag = "10")]
    pub name_iid: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    pub track_uuid: Option<u64>,
    #[prost(string, optional, tag = "23")]
    pub name: Option<String>,
    #[prost(uint64, optional, tag = "34")]
    pub source_location_iid: Option<u64>,
    #[prost(double, optional, tag = "44")]
    pub double_counter_value: Option<f64>,
}

/// Values of `TrackEvent.Type`.
pub(crate) mod event_type {
    /// `TYPE_SLICE_BEGIN`.
    pub(crate) const SLICE_BEGIN: i32 = 1;
    /// `TYPE_SLICE_END`.
    pub(crate) const SLICE_END: i32 = 2;
    /// `TYPE_INSTANT`.
    pub(crate) const INSTANT: i32 = 3;
    /// `TYPE_COUNTER`.
    pub(crate) const COUNTER: i32 = 4;
}

/// `DebugAnnotation`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DebugAnnotation {
    #[prost(uint64, optional, tag = "1")]
    pub name_iid: Option<u64>,
    #[prost(oneof = "AnnotationValue", tags = "2, 3, 4, 5, 6, 7")]
    pub value: Option<AnnotationValue>,
    #[prost(message, repeated, tag = "11")]
    pub dict_entries: Vec<Self>,
}

/// The oneof `value` of `DebugAnnotation`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum AnnotationValue {
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(uint64, tag = "3")]
    Uint(u64),
    #[prost(int64, tag = "4")]
    Int(i64),
    #[prost(double, tag = "5")]
    Double(f64),
    #[prost(string, tag = "6")]
    Text(String),
    #[prost(uint64, tag = "7")]
    Pointer(u64),
}

/// `InternedData`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InternedData {
    #[prost(message, repeated, tag = "1")]
    pub event_categories: Vec<InternedString>,
    #[prost(message, repeated, tag = "2")]
    pub event_names: Vec<InternedString>,
    #[prost(message, repeated, tag = "3")]
    pub debug_annotation_names: Vec<InternedString>,
    #[prost(message, repeated, tag = "4")]
    pub source_locations: Vec<SourceLocation>,
}

/// `EventCategory`, `EventName` and `DebugAnnotationName`, which have the same fields.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct InternedString {
    #[prost(uint64, optional, tag = "1")]
    pub iid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
}

/// `SourceLocation`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SourceLocation {
    #[prost(uint64, optional, tag = "1")]
    pub iid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    pub file_name: Option<String>,
    #[prost(uint32, optional, tag = "4")]
    pub line_number: Option<u32>,
}

/// `TrackDescriptor`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct TrackDescriptor {
    #[prost(uint64, optional, tag = "1")]
    pub uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    pub parent_uuid: Option<u64>,
    /// There for the track of a counter.
    #[prost(message, optional, tag = "8")]
    pub counter: Option<CounterDescriptor>,
    /// `ChildTracksOrdering`: 3 is `EXPLICIT`.
    #[prost(int32, optional, tag = "11")]
    pub child_ordering: Option<i32>,
    #[prost(int32, optional, tag = "12")]
    pub sibling_order_rank: Option<i32>,
}

/// `CounterDescriptor`, without a unit.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct CounterDescriptor {}

/// `AndroidLogPacket`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct AndroidLogPacket {
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<AndroidLogEvent>,
}

/// `AndroidLogPacket.LogEvent`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct AndroidLogEvent {
    #[prost(int32, optional, tag = "1")]
    pub log_id: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub pid: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub tid: Option<i32>,
    #[prost(uint64, optional, tag = "5")]
    pub timestamp: Option<u64>,
    #[prost(string, optional, tag = "6")]
    pub tag: Option<String>,
    /// `AndroidLogPriority`: 2 verbose, 3 debug, 4 info, 5 warning, 6 error.
    #[prost(int32, optional, tag = "7")]
    pub prio: Option<i32>,
    #[prost(string, optional, tag = "8")]
    pub message: Option<String>,
}
