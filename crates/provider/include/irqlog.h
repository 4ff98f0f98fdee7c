/*
 * irqlog.h: logging from C and C++ kernel drivers, at any IRQL, into irqlog's flight recorder.
 *
 *     #include <ntddk.h>                                    // or wdm.h, or ntifs.h
 *     #include "irqlog.h"
 *
 *     IrqlogConnect("mydriver");                            // PASSIVE_LEVEL; may fail, and be tried again later
 *     IRQLOG_INFO("port {} status {:#x}", Port, Status);    // any IRQL
 *     IRQLOG_ERROR_NEVER_WAITS("bank {}", Bank);            // in NMI and machine-check callbacks
 *     IRQLOG_BLOB(IRQLOG_LEVEL_DEBUG, Tag, Bytes, Length);  // raw bytes, split over as many records as needed
 *     IrqlogDisconnect();                                   // PASSIVE_LEVEL, when everything is quiet
 *
 * The format is that of Rust's core::fmt: {}, {:x}, {:#010x}, {:?}, {0}, {:>8} and so on; the reader makes the text.
 * The types of arguments are taken at compile time; there are no variable arguments at run time:
 *
 *     integers, bool, float, double     as they are; NTSTATUS by name with IrqlogStatus(Status), BOOLEAN with IrqlogBool(b)
 *     char                              a character; the other types of one byte are numbers
 *     char *, const char *              UTF-8 up to its zero, at most 1024 bytes; with a length: IrqlogString(p, bytes)
 *     PUCHAR                            an address; as text up to its zero: IrqlogText(p)
 *     PWSTR, PCWSTR, WCHAR[]            UTF-16 up to its zero, at most 512 units. In C that is every unsigned short *: for
 *                                       the address of one write IrqlogPointer(p)
 *     bytes, UTF-16                     IrqlogBytes(p, bytes), IrqlogUtf16(p, bytes)
 *     UNICODE_STRING *, GUID *          the text, the GUID that they point to
 *     HANDLE, PsGetCurrentProcessId()   a number: IrqlogHandle(h). A void * is an address, and compilers that can warn of it
 *     any other pointer                 an address, hashed by irqlog.sys unless its parameter RawPointers is 1; a void * is
 *                                       one without a warning as IrqlogPointer(p)
 *
 * Where the format and the number of arguments disagree, C++ compilers and clang warn. The reader shows a placeholder without
 * an argument as {?}, and arguments without one behind the text, as [+ 2, 3]; `irqlog providers --sites` lists such calls.
 *
 * A log call may stand in an inline function, a template or a lambda. The same call in a header that several files include
 * is shown as one site. (In C each file has a copy of it, as of all static data of inline functions: about 100 bytes.)
 *
 * A log call takes at most 12 arguments. If its level is not enabled it costs a load and a branch, and its arguments are
 * not evaluated. Until the driver has connected no level is enabled: the driver runs without irqlog just as well.
 *
 * The header needs C11 (_Generic: MSVC with /std:c11 or later) or C++. The bytes are those of crates/wire, which
 * defines them; a test compiles this header and compares.
 */
#ifndef IRQLOG_H
#define IRQLOG_H

#if defined(__cplusplus)
extern "C" {
#define IRQLOG_ZERO {}
#else
#define IRQLOG_ZERO {0}
#endif

#define IRQLOG_LEVEL_ERROR 1
#define IRQLOG_LEVEL_WARN 2
#define IRQLOG_LEVEL_INFO 3
#define IRQLOG_LEVEL_DEBUG 4
#define IRQLOG_LEVEL_TRACE 5

/* A path that is shown with a site, for instance the name of a component. */
#if !defined(IRQLOG_MODULE)
#define IRQLOG_MODULE ""
#endif

/*
 * The path of the source file that is shown with a site, a string literal. By default it has no folder where the compiler
 * can name the file without it (clang). MSVC cannot, and its __FILE__ is the path of the command line: compile by relative
 * path and without /FC, or define IRQLOG_FILE before this header is included.
 */
#if !defined(IRQLOG_FILE)
#if defined(__FILE_NAME__)
#define IRQLOG_FILE __FILE_NAME__
#else
#define IRQLOG_FILE __FILE__
#endif
#endif

/* --- The function table, as irqlog.sys answers it  (crates/wire/src/interface.rs) -------------------------------- */

typedef struct _IRQLOG_REGISTRATION {
    unsigned int Size;
    unsigned int NameLength;
    const char *Name;
    const void *Sites;
    SIZE_T SitesLength;
    volatile unsigned int *Base;
    volatile unsigned int *Level;
} IRQLOG_REGISTRATION;

typedef struct _IRQLOG_INTERFACE {
    unsigned short Major;
    unsigned short Minor;
    unsigned int Size;
    unsigned int(NTAPI *WriteText)(unsigned char Level, const void *Text, SIZE_T Length);
    unsigned int(NTAPI *WriteBlob)(unsigned char Level, unsigned int Tag, const void *Bytes, SIZE_T Length);
    unsigned int(NTAPI *WriteTextNeverWaits)(unsigned char Level, const void *Text, SIZE_T Length);
    unsigned int(NTAPI *WriteBlobNeverWaits)(unsigned char Level, unsigned int Tag, const void *Bytes, SIZE_T Length);
    unsigned int(NTAPI *Register)(const IRQLOG_REGISTRATION *Registration);
    VOID(NTAPI *Unregister)(volatile unsigned int *Level);
    unsigned int(NTAPI *WriteEvent)(unsigned int Site, unsigned char Level, const unsigned long long *Words, SIZE_T Count);
    unsigned int(NTAPI *WriteEventNeverWaits)(
        unsigned int Site, unsigned char Level, const unsigned long long *Words, SIZE_T Count);
} IRQLOG_INTERFACE;

/* IOCTL_IRQLOG_CONNECT: internal, and from kernel mode only. */
#define IRQLOG_CONNECT 0x00222200
#define IRQLOG_DEVICE_NAME L"\\Device\\irqlog"

/* --- The state of a driver: one for its image --------------------------------------------------------------------- */

typedef struct _IRQLOG_STATE {
    /* The least important level that is written; 0 for none. irqlog.sys changes it. */
    volatile unsigned int Level;
    /* The id of the first word of the section. Set before the level. */
    volatile unsigned int Base;
    IRQLOG_INTERFACE Interface;
    /* Keeps irqlog.sys loaded. */
    PFILE_OBJECT File;
    /* The pair id of the last span. */
    volatile LONG64 Spans;
} IRQLOG_STATE;

__declspec(selectany) IRQLOG_STATE IrqlogState = IRQLOG_ZERO;

/* A zero word at each end of the section of sites: linkers sort its parts by the text behind the `$`. */
#pragma section(".irqs$a", read)
#pragma section(".irqs$m", read)
#pragma section(".irqs$z", read)
__declspec(allocate(".irqs$a")) __declspec(selectany) extern const unsigned long long IrqlogFirst = 0;
__declspec(allocate(".irqs$z")) __declspec(selectany) extern const unsigned long long IrqlogLast = 0;

/* Start of a site (crates/wire/src/site.rs). */
typedef struct _IRQLOG_SITE {
    unsigned int Magic;
    unsigned int Size;
    unsigned int Line;
    unsigned char Level;
    unsigned char Arguments;
    /* 0 an event, 1 the begin of a span, 2 its end, 3 a counter. */
    unsigned short Role;
    unsigned short Format;
    unsigned short Names;
    unsigned short Module;
    unsigned short File;
} IRQLOG_SITE;

#define IRQLOG_SITE_MAGIC 0x53717249u

/* --- Arguments (crates/wire/src/event.rs) -------------------------------------------------------------------------- */

#define IRQLOG_KIND_U8 1
#define IRQLOG_KIND_U16 2
#define IRQLOG_KIND_U32 3
#define IRQLOG_KIND_U64 4
#define IRQLOG_KIND_I8 7
#define IRQLOG_KIND_I16 8
#define IRQLOG_KIND_I32 9
#define IRQLOG_KIND_I64 10
#define IRQLOG_KIND_BOOL 13
#define IRQLOG_KIND_CHAR 14
#define IRQLOG_KIND_F32 15
#define IRQLOG_KIND_F64 16
#define IRQLOG_KIND_POINTER 17
#define IRQLOG_KIND_STATUS 18
#define IRQLOG_KIND_GUID 19
#define IRQLOG_KIND_STR 20
#define IRQLOG_KIND_BYTES 21
#define IRQLOG_KIND_UTF16 22
#define IRQLOG_NEEDS_DRIVER 0x80ull
#define IRQLOG_MAX_STRING 1024

#if defined(__cplusplus)
#define IRQLOG_BOOL bool
#else
#define IRQLOG_BOOL _Bool
#endif

/* 12 arguments of two words, the pair id of a span, and two words of kinds. */
typedef struct _IRQLOG_WORDS {
    unsigned int Used;
    unsigned long long Word[27];
} IRQLOG_WORDS;

/* A span that has begun; its id is 0 if no begin was written. */
typedef struct _IRQLOG_SPAN {
    unsigned long long Id;
} IRQLOG_SPAN;

typedef struct _IRQLOG_STATUS {
    long Value;
} IRQLOG_STATUS;
/* A pointer of any kind, as an address. */
typedef struct _IRQLOG_ADDRESS {
    const volatile void *Value;
} IRQLOG_ADDRESS;
typedef struct _IRQLOG_STRING {
    unsigned char Kind;
    const void *Start;
    SIZE_T Length;
} IRQLOG_STRING;

/* An NTSTATUS, to be shown by its name. */
FORCEINLINE IRQLOG_STATUS IrqlogStatus(long Value) {
    IRQLOG_STATUS Status;
    Status.Value = Value;
    return Status;
}

FORCEINLINE IRQLOG_STRING IrqlogStringOf(unsigned char Kind, const void *Start, SIZE_T Length) {
    IRQLOG_STRING String;
    String.Kind = Kind;
    String.Start = Start;
    String.Length = Start == 0 ? 0 : Length;
    return String;
}

/* UTF-8 with a length in bytes. */
FORCEINLINE IRQLOG_STRING IrqlogString(const void *Start, SIZE_T Bytes) {
    return IrqlogStringOf(IRQLOG_KIND_STR, Start, Bytes);
}

/* Raw bytes, with their number. */
FORCEINLINE IRQLOG_STRING IrqlogBytes(const void *Start, SIZE_T Bytes) {
    return IrqlogStringOf(IRQLOG_KIND_BYTES, Start, Bytes);
}

/* UTF-16 with a length in bytes. */
FORCEINLINE IRQLOG_STRING IrqlogUtf16(const void *Start, SIZE_T Bytes) {
    return IrqlogStringOf(IRQLOG_KIND_UTF16, Start, Bytes);
}

/* UTF-8 up to its zero, for unsigned characters too. */
FORCEINLINE IRQLOG_STRING IrqlogText(const void *Text) {
    const char *Bytes = (const char *)Text;
    SIZE_T Length = 0;
    while (Bytes != 0 && Length < IRQLOG_MAX_STRING && Bytes[Length] != 0) {
        Length++;
    }
    return IrqlogString(Bytes, Length);
}

/* A BOOLEAN, which is an unsigned char for the compiler, as true or false. */
FORCEINLINE IRQLOG_BOOL IrqlogBool(long long Value) {
    return Value != 0;
}

/* A HANDLE, or the id of a process or a thread, as a number. */
FORCEINLINE unsigned long long IrqlogHandle(const void *Handle) {
    return (unsigned long long)Handle;
}

/* An address, which irqlog.sys hashes as every other. */
FORCEINLINE IRQLOG_ADDRESS IrqlogPointer(const volatile void *Pointer) {
    IRQLOG_ADDRESS Address;
    Address.Value = Pointer;
    return Address;
}

FORCEINLINE void IrqlogBegin(IRQLOG_WORDS *Words, unsigned int Count) {
    Words->Word[0] = Count;
    Words->Word[1] = 0;
    Words->Used = Count < 8 ? 1 : 2;
}

FORCEINLINE void IrqlogKind(IRQLOG_WORDS *Words, unsigned int Index, unsigned char Kind) {
    Words->Word[(Index + 1) / 8] |= (unsigned long long)Kind << (8 * ((Index + 1) % 8));
}

FORCEINLINE void IrqlogWord(IRQLOG_WORDS *Words, unsigned int Index, unsigned char Kind, unsigned long long Word) {
    IrqlogKind(Words, Index, Kind);
    Words->Word[Words->Used++] = Word;
}

FORCEINLINE void IrqlogPutString(IRQLOG_WORDS *Words, unsigned int Index, IRQLOG_STRING String) {
    Words->Word[0] |= IRQLOG_NEEDS_DRIVER;
    IrqlogWord(Words, Index, String.Kind, (unsigned long long)String.Start);
    Words->Word[Words->Used++] = String.Length;
}

FORCEINLINE void IrqlogPutText(IRQLOG_WORDS *Words, unsigned int Index, const char *Text) {
    IrqlogPutString(Words, Index, IrqlogText(Text));
}

FORCEINLINE void IrqlogPutWide(IRQLOG_WORDS *Words, unsigned int Index, const WCHAR *Text) {
    SIZE_T Length = 0;
    while (Text != 0 && Length < IRQLOG_MAX_STRING / 2 && Text[Length] != 0) {
        Length++;
    }
    IrqlogPutString(Words, Index, IrqlogUtf16(Text, 2 * Length));
}

FORCEINLINE void IrqlogPutUnicode(IRQLOG_WORDS *Words, unsigned int Index, const UNICODE_STRING *String) {
    IrqlogPutString(Words, Index, IrqlogUtf16(String == 0 ? 0 : String->Buffer, String == 0 ? 0 : String->Length));
}

FORCEINLINE void IrqlogPutGuid(IRQLOG_WORDS *Words, unsigned int Index, const GUID *Guid) {
    unsigned long long Second = 0;
    int Byte;
    for (Byte = 7; Guid != 0 && Byte >= 0; Byte--) {
        Second = Second << 8 | Guid->Data4[Byte];
    }
    IrqlogWord(
        Words, Index, IRQLOG_KIND_GUID,
        Guid == 0 ? 0
                  : (unsigned long long)Guid->Data1 | (unsigned long long)Guid->Data2 << 32
                        | (unsigned long long)Guid->Data3 << 48);
    Words->Word[Words->Used++] = Second;
}

FORCEINLINE void IrqlogPutPointer(IRQLOG_WORDS *Words, unsigned int Index, const volatile void *Pointer) {
    Words->Word[0] |= IRQLOG_NEEDS_DRIVER;
    IrqlogWord(Words, Index, IRQLOG_KIND_POINTER, (unsigned long long)Pointer);
}

FORCEINLINE void IrqlogPutAddress(IRQLOG_WORDS *Words, unsigned int Index, IRQLOG_ADDRESS Address) {
    IrqlogPutPointer(Words, Index, Address.Value);
}

#define IRQLOG_TOO_MANY "irqlog: the format has fewer placeholders than there are arguments"
#define IRQLOG_TOO_FEW "irqlog: the format has more placeholders than there are arguments"
#define IRQLOG_NO_FORMAT "irqlog: the format has a lone brace or an unknown style"
#define IRQLOG_VOID_POINTER                                                                                             \
    "irqlog: a void * is shown as the hash of an address; write IrqlogHandle(x) for a HANDLE or an id, or IrqlogPointer(x)"

FORCEINLINE void IrqlogPutStatus(IRQLOG_WORDS *Words, unsigned int Index, IRQLOG_STATUS Status) {
    IrqlogWord(Words, Index, IRQLOG_KIND_STATUS, (unsigned int)Status.Value);
}

FORCEINLINE void IrqlogPutFloat(IRQLOG_WORDS *Words, unsigned int Index, float Value) {
    union {
        float Value;
        unsigned int Bits;
    } Both;
    Both.Value = Value;
    IrqlogWord(Words, Index, IRQLOG_KIND_F32, Both.Bits);
}

FORCEINLINE void IrqlogPutDouble(IRQLOG_WORDS *Words, unsigned int Index, double Value) {
    union {
        double Value;
        unsigned long long Bits;
    } Both;
    Both.Value = Value;
    IrqlogWord(Words, Index, IRQLOG_KIND_F64, Both.Bits);
}

#define IRQLOG_NUMBERS(DEFINE)                                                                                          \
    DEFINE(Bool, IRQLOG_BOOL, IRQLOG_KIND_BOOL, unsigned long long)                                                     \
    DEFINE(Char, char, IRQLOG_KIND_CHAR, unsigned char)                                                                 \
    DEFINE(SignedChar, signed char, IRQLOG_KIND_I8, long long)                                                          \
    DEFINE(Short, short, IRQLOG_KIND_I16, long long)                                                                    \
    DEFINE(Int, int, IRQLOG_KIND_I32, long long)                                                                        \
    DEFINE(Long, long, IRQLOG_KIND_I32, long long)                                                                      \
    DEFINE(LongLong, long long, IRQLOG_KIND_I64, long long)                                                             \
    DEFINE(UnsignedChar, unsigned char, IRQLOG_KIND_U8, unsigned long long)                                             \
    DEFINE(UnsignedShort, unsigned short, IRQLOG_KIND_U16, unsigned long long)                                          \
    DEFINE(UnsignedInt, unsigned int, IRQLOG_KIND_U32, unsigned long long)                                              \
    DEFINE(UnsignedLong, unsigned long, IRQLOG_KIND_U32, unsigned long long)                                            \
    DEFINE(UnsignedLongLong, unsigned long long, IRQLOG_KIND_U64, unsigned long long)

/* Signed numbers are extended with their sign to the word. */
#define IRQLOG_DEFINE_PUT(Name, Type, Kind, Wide)                                                                       \
    FORCEINLINE void IrqlogPut##Name(IRQLOG_WORDS *Words, unsigned int Index, Type Value) {                             \
        IrqlogWord(Words, Index, Kind, (unsigned long long)(Wide)Value);                                                \
    }
IRQLOG_NUMBERS(IRQLOG_DEFINE_PUT)

#if defined(__cplusplus)
} /* extern "C" */
#define IRQLOG_DEFINE_OVERLOAD(Name, Type, Kind, Wide)                                                                  \
    FORCEINLINE void IrqlogPut(IRQLOG_WORDS *Words, unsigned int Index, Type Value) {                                   \
        IrqlogPut##Name(Words, Index, Value);                                                                           \
    }
IRQLOG_NUMBERS(IRQLOG_DEFINE_OVERLOAD)
#define IRQLOG_OTHERS(DEFINE)                                                                                           \
    DEFINE(Float, float, , )                                                                                            \
    DEFINE(Double, double, , )                                                                                          \
    DEFINE(Status, IRQLOG_STATUS, , )                                                                                   \
    DEFINE(String, IRQLOG_STRING, , )                                                                                   \
    DEFINE(Text, const char *, , )                                                                                      \
    DEFINE(Wide, const WCHAR *, , )                                                                                     \
    DEFINE(Address, IRQLOG_ADDRESS, , )                                                                                 \
    DEFINE(Unicode, const UNICODE_STRING *, , )                                                                         \
    DEFINE(Guid, const GUID *, , )                                                                                      \
    DEFINE(Pointer, const volatile void *, , )
IRQLOG_OTHERS(IRQLOG_DEFINE_OVERLOAD)
/* What is said of an argument's type when it is compiled. */
template <class T> struct IrqlogHint {
    static_assert(!__is_enum(T) || __is_convertible_to(T, long long), "irqlog: cast an enum class to its number");
    static_assert(
        sizeof(T) <= 8 || __is_class(T), "irqlog: an argument has at most 64 bits; pass the halves of a wider number");
    FORCEINLINE static void Check() {}
};
template <> struct IrqlogHint<void *> {
    __declspec(deprecated(IRQLOG_VOID_POINTER)) FORCEINLINE static void Check() {}
};
template <class T> T IrqlogDecayed(T);
#define IRQLOG_PUT(Words, Index, Value)                                                                                 \
    IrqlogHint<decltype(IrqlogDecayed(Value))>::Check(), IrqlogPut(&(Words), Index, Value)

/* The arguments that a format takes: -1 if it is no format, -2 if it names them. */
constexpr int IrqlogHoles(const char *Format) {
    int Holes = 0;
    while (*Format != 0) {
        const char Brace = *Format++;
        if (Brace != '{' && Brace != '}') {
            continue;
        }
        if (*Format == Brace) {
            Format++;
            continue;
        }
        if (Brace == '}') {
            return -1;
        }
        if (*Format != '}' && *Format != ':') {
            return *Format == 0 ? -1 : -2;
        }
        char Last = ':';
        while (*Format != '}') {
            if (*Format == 0) {
                return -1;
            }
            if (*Format == '$' || *Format == '*') {
                return -2;
            }
            Last = *Format++;
        }
        if ((Last >= 'a' && Last <= 'z') || (Last >= 'A' && Last <= 'Z')) {
            bool IsStyle = false;
            for (const char *Style = "xXobeEp"; *Style != 0; Style++) {
                IsStyle = IsStyle || *Style == Last;
            }
            if (!IsStyle) {
                return -1;
            }
        }
        Format++;
        Holes++;
    }
    return Holes;
}
template <int Verdict> struct IrqlogFormat {
    FORCEINLINE static void Check() {}
};
template <> struct IrqlogFormat<1> {
    __declspec(deprecated(IRQLOG_TOO_MANY)) FORCEINLINE static void Check() {}
};
template <> struct IrqlogFormat<2> {
    __declspec(deprecated(IRQLOG_TOO_FEW)) FORCEINLINE static void Check() {}
};
template <> struct IrqlogFormat<3> {
    __declspec(deprecated(IRQLOG_NO_FORMAT)) FORCEINLINE static void Check() {}
};
constexpr int IrqlogVerdict(int Holes, int Arguments) {
    return Holes == -2 || Holes == Arguments ? 0 : Holes == -1 ? 3 : Holes < Arguments ? 1 : 2;
}
#define IRQLOG_CHECK_FORMAT(Format, Count) IrqlogFormat<IrqlogVerdict(IrqlogHoles(Format), Count)>::Check()
extern "C" {
#else
/* By the conditional operator, since a bit field has no size. */
#define IRQLOG_CHECK_ARGUMENT(Value)                                                                                    \
    _Static_assert(                                                                                                     \
        _Generic((Value), IRQLOG_STRING: 1, IRQLOG_STATUS: 1, IRQLOG_ADDRESS: 1, default: sizeof(1 ? (Value) : (Value)) <= 8), \
        "irqlog: an argument has at most 64 bits; pass the halves of a wider number")
#define IRQLOG_PUT(Words, Index, Value)                                                                                 \
    IRQLOG_CHECK_ARGUMENT(Value);                                                                                       \
    IRQLOG_CHECK_POINTER(_Generic((Value), void *: 1, default: 0));                                                     \
    _Generic((Value),                                                                                                   \
        _Bool: IrqlogPutBool,                                                                                           \
        char: IrqlogPutChar,                                                                                            \
        signed char: IrqlogPutSignedChar,                                                                               \
        short: IrqlogPutShort,                                                                                          \
        int: IrqlogPutInt,                                                                                              \
        long: IrqlogPutLong,                                                                                            \
        long long: IrqlogPutLongLong,                                                                                   \
        unsigned char: IrqlogPutUnsignedChar,                                                                           \
        unsigned short: IrqlogPutUnsignedShort,                                                                         \
        unsigned int: IrqlogPutUnsignedInt,                                                                             \
        unsigned long: IrqlogPutUnsignedLong,                                                                           \
        unsigned long long: IrqlogPutUnsignedLongLong,                                                                  \
        float: IrqlogPutFloat,                                                                                          \
        double: IrqlogPutDouble,                                                                                        \
        IRQLOG_STATUS: IrqlogPutStatus,                                                                                 \
        IRQLOG_STRING: IrqlogPutString,                                                                                 \
        IRQLOG_ADDRESS: IrqlogPutAddress,                                                                               \
        char *: IrqlogPutText,                                                                                          \
        const char *: IrqlogPutText,                                                                                    \
        WCHAR *: IrqlogPutWide,                                                                                         \
        const WCHAR *: IrqlogPutWide,                                                                                   \
        UNICODE_STRING *: IrqlogPutUnicode,                                                                             \
        const UNICODE_STRING *: IrqlogPutUnicode,                                                                       \
        GUID *: IrqlogPutGuid,                                                                                          \
        const GUID *: IrqlogPutGuid,                                                                                    \
        default: IrqlogPutPointer)(&(Words), Index, Value)

#if defined(__clang__)
FORCEINLINE void IrqlogCheckPointer(int IsVoid) __attribute__((diagnose_if(IsVoid, IRQLOG_VOID_POINTER, "warning"))) {
    (void)IsVoid;
}
#define IRQLOG_CHECK_POINTER(IsVoid) IrqlogCheckPointer(IsVoid)

/*
 * Clang counts the braces of a literal when it compiles the call: IRQLOG_BRACE_n is the nth one, and null behind the last.
 * A format with escaped braces, or that names its arguments, is not judged. Other compilers of C cannot count.
 */
#define IRQLOG_NEXT(p) __builtin_strchr(((p) ?: "x") + 1, '{')
#define IRQLOG_BRACE_1(f) __builtin_strchr(f, '{')
#define IRQLOG_BRACE_2(f) IRQLOG_NEXT(IRQLOG_BRACE_1(f))
#define IRQLOG_BRACE_3(f) IRQLOG_NEXT(IRQLOG_BRACE_2(f))
#define IRQLOG_BRACE_4(f) IRQLOG_NEXT(IRQLOG_BRACE_3(f))
#define IRQLOG_BRACE_5(f) IRQLOG_NEXT(IRQLOG_BRACE_4(f))
#define IRQLOG_BRACE_6(f) IRQLOG_NEXT(IRQLOG_BRACE_5(f))
#define IRQLOG_BRACE_7(f) IRQLOG_NEXT(IRQLOG_BRACE_6(f))
#define IRQLOG_BRACE_8(f) IRQLOG_NEXT(IRQLOG_BRACE_7(f))
#define IRQLOG_BRACE_9(f) IRQLOG_NEXT(IRQLOG_BRACE_8(f))
#define IRQLOG_BRACE_10(f) IRQLOG_NEXT(IRQLOG_BRACE_9(f))
#define IRQLOG_BRACE_11(f) IRQLOG_NEXT(IRQLOG_BRACE_10(f))
#define IRQLOG_BRACE_12(f) IRQLOG_NEXT(IRQLOG_BRACE_11(f))
#define IRQLOG_BRACE_13(f) IRQLOG_NEXT(IRQLOG_BRACE_12(f))
#define IRQLOG_PLAIN_0(f) (!__builtin_strchr(f, '$') && !__builtin_strchr(f, '*'))
#define IRQLOG_PLAIN_1(f) (IRQLOG_PLAIN_0(f) && __builtin_strchr(":}", (IRQLOG_BRACE_1(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_2(f) (IRQLOG_PLAIN_1(f) && __builtin_strchr(":}", (IRQLOG_BRACE_2(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_3(f) (IRQLOG_PLAIN_2(f) && __builtin_strchr(":}", (IRQLOG_BRACE_3(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_4(f) (IRQLOG_PLAIN_3(f) && __builtin_strchr(":}", (IRQLOG_BRACE_4(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_5(f) (IRQLOG_PLAIN_4(f) && __builtin_strchr(":}", (IRQLOG_BRACE_5(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_6(f) (IRQLOG_PLAIN_5(f) && __builtin_strchr(":}", (IRQLOG_BRACE_6(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_7(f) (IRQLOG_PLAIN_6(f) && __builtin_strchr(":}", (IRQLOG_BRACE_7(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_8(f) (IRQLOG_PLAIN_7(f) && __builtin_strchr(":}", (IRQLOG_BRACE_8(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_9(f) (IRQLOG_PLAIN_8(f) && __builtin_strchr(":}", (IRQLOG_BRACE_9(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_10(f) (IRQLOG_PLAIN_9(f) && __builtin_strchr(":}", (IRQLOG_BRACE_10(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_11(f) (IRQLOG_PLAIN_10(f) && __builtin_strchr(":}", (IRQLOG_BRACE_11(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_12(f) (IRQLOG_PLAIN_11(f) && __builtin_strchr(":}", (IRQLOG_BRACE_12(f) ?: "x:")[1]))
#define IRQLOG_PLAIN_13(f) (IRQLOG_PLAIN_12(f) && __builtin_strchr(":}", (IRQLOG_BRACE_13(f) ?: "x:")[1]))
#define IRQLOG_DEFINE_CHECK(Count, Next, Wanted)                                                                        \
    FORCEINLINE void IrqlogCheck##Count(const char *Format)                                                             \
        __attribute__((                                                                                                 \
            diagnose_if(IRQLOG_BRACE_##Next(Format) && IRQLOG_PLAIN_##Next(Format), IRQLOG_TOO_FEW, "warning"),         \
            diagnose_if(Wanted && IRQLOG_PLAIN_##Next(Format), IRQLOG_TOO_MANY, "warning"))) {                          \
        (void)Format;                                                                                                   \
    }
IRQLOG_DEFINE_CHECK(0, 1, 0)
IRQLOG_DEFINE_CHECK(1, 2, !IRQLOG_BRACE_1(Format))
IRQLOG_DEFINE_CHECK(2, 3, !IRQLOG_BRACE_2(Format))
IRQLOG_DEFINE_CHECK(3, 4, !IRQLOG_BRACE_3(Format))
IRQLOG_DEFINE_CHECK(4, 5, !IRQLOG_BRACE_4(Format))
IRQLOG_DEFINE_CHECK(5, 6, !IRQLOG_BRACE_5(Format))
IRQLOG_DEFINE_CHECK(6, 7, !IRQLOG_BRACE_6(Format))
IRQLOG_DEFINE_CHECK(7, 8, !IRQLOG_BRACE_7(Format))
IRQLOG_DEFINE_CHECK(8, 9, !IRQLOG_BRACE_8(Format))
IRQLOG_DEFINE_CHECK(9, 10, !IRQLOG_BRACE_9(Format))
IRQLOG_DEFINE_CHECK(10, 11, !IRQLOG_BRACE_10(Format))
IRQLOG_DEFINE_CHECK(11, 12, !IRQLOG_BRACE_11(Format))
IRQLOG_DEFINE_CHECK(12, 13, !IRQLOG_BRACE_12(Format))
#define IRQLOG_CHECK_FORMAT(Format, Count) IRQLOG_PASTE(IrqlogCheck, Count)(Format)
#else
#define IRQLOG_CHECK_POINTER(IsVoid) ((void)0)
#define IRQLOG_CHECK_FORMAT(Format, Count) ((void)0)
#endif
#endif

/* --- The call ------------------------------------------------------------------------------------------------------ */

/* Pairs with the release in irqlog.sys: a caller that sees the level sees base and functions. On x64 a plain load. */
FORCEINLINE unsigned int IrqlogLevel(void) {
#if defined(__clang__)
    return __atomic_load_n(&IrqlogState.Level, __ATOMIC_ACQUIRE);
#elif defined(_M_ARM64)
    return __ldar32((unsigned int volatile *)&IrqlogState.Level);
#else
    return IrqlogState.Level;
#endif
}

/* Passes an event to irqlog.sys; the caller has seen its level enabled. IRQL: any. */
FORCEINLINE void IrqlogSend(const IRQLOG_SITE *Site, int NeverWaits, const IRQLOG_WORDS *Words) {
    const SIZE_T Offset = (SIZE_T)Site - (SIZE_T)&IrqlogFirst;
    const unsigned int Id = IrqlogState.Base + (unsigned int)(Offset / 8);
    if (NeverWaits) {
        IrqlogState.Interface.WriteEventNeverWaits(Id, Site->Level, Words->Word, Words->Used);
    } else {
        IrqlogState.Interface.WriteEvent(Id, Site->Level, Words->Word, Words->Used);
    }
}

/* The traditional preprocessor of MSVC passes __VA_ARGS__ on as one argument; one more expansion splits it. */
#define IRQLOG_EXPAND(x) x
#define IRQLOG_PASTE_(a, b) a##b
#define IRQLOG_PASTE(a, b) IRQLOG_PASTE_(a, b)
#define IRQLOG_FIRST_(Format, ...) Format
#define IRQLOG_FIRST(...) IRQLOG_EXPAND(IRQLOG_FIRST_(__VA_ARGS__, 0))
#define IRQLOG_COUNT_(f, a, b, c, d, e, g, h, i, j, k, l, m, n, ...) n
#define IRQLOG_COUNT(...) IRQLOG_EXPAND(IRQLOG_COUNT_(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0))
#define IRQLOG_PUT_0(w, f)
#define IRQLOG_PUT_1(w, f, a) IRQLOG_PUT(w, 0, a);
#define IRQLOG_PUT_2(w, f, a, b) IRQLOG_PUT_1(w, f, a) IRQLOG_PUT(w, 1, b);
#define IRQLOG_PUT_3(w, f, a, b, c) IRQLOG_PUT_2(w, f, a, b) IRQLOG_PUT(w, 2, c);
#define IRQLOG_PUT_4(w, f, a, b, c, d) IRQLOG_PUT_3(w, f, a, b, c) IRQLOG_PUT(w, 3, d);
#define IRQLOG_PUT_5(w, f, a, b, c, d, e) IRQLOG_PUT_4(w, f, a, b, c, d) IRQLOG_PUT(w, 4, e);
#define IRQLOG_PUT_6(w, f, a, b, c, d, e, g) IRQLOG_PUT_5(w, f, a, b, c, d, e) IRQLOG_PUT(w, 5, g);
#define IRQLOG_PUT_7(w, f, a, b, c, d, e, g, h) IRQLOG_PUT_6(w, f, a, b, c, d, e, g) IRQLOG_PUT(w, 6, h);
#define IRQLOG_PUT_8(w, f, a, b, c, d, e, g, h, i) IRQLOG_PUT_7(w, f, a, b, c, d, e, g, h) IRQLOG_PUT(w, 7, i);
#define IRQLOG_PUT_9(w, f, a, b, c, d, e, g, h, i, j) IRQLOG_PUT_8(w, f, a, b, c, d, e, g, h, i) IRQLOG_PUT(w, 8, j);
#define IRQLOG_PUT_10(w, f, a, b, c, d, e, g, h, i, j, k)                                                               \
    IRQLOG_PUT_9(w, f, a, b, c, d, e, g, h, i, j) IRQLOG_PUT(w, 9, k);
#define IRQLOG_PUT_11(w, f, a, b, c, d, e, g, h, i, j, k, l)                                                            \
    IRQLOG_PUT_10(w, f, a, b, c, d, e, g, h, i, j, k) IRQLOG_PUT(w, 10, l);
#define IRQLOG_PUT_12(w, f, a, b, c, d, e, g, h, i, j, k, l, m)                                                         \
    IRQLOG_PUT_11(w, f, a, b, c, d, e, g, h, i, j, k, l) IRQLOG_PUT(w, 11, m);

/* An id that no span of this driver has had. IRQL: any. */
FORCEINLINE unsigned long long IrqlogNextSpan(void) {
#if defined(__clang__)
    return (unsigned long long)__atomic_add_fetch(&IrqlogState.Spans, 1, __ATOMIC_RELAXED);
#else
    return (unsigned long long)InterlockedIncrement64(&IrqlogState.Spans);
#endif
}

/* Logs an event; the level is a constant. IRQL: any; strings are read at the caller's IRQL. */
#define IRQLOG_EVENT(EventLevel, NeverWaits, ...) IRQLOG_EVENT_OF(EventLevel, NeverWaits, 0, 0, , __VA_ARGS__)
/* The same for a site with a role, with More arguments behind those of the format: Put puts them. */
#define IRQLOG_EVENT_OF(EventLevel, NeverWaits, Role, More, Put, ...)                                                   \
    do {                                                                                                                \
        struct IrqlogSiteParts {                                                                                        \
            IRQLOG_SITE Header;                                                                                         \
            char Format[sizeof(IRQLOG_FIRST(__VA_ARGS__))];                                                             \
            char Module[sizeof(IRQLOG_MODULE)];                                                                         \
            char File[sizeof(IRQLOG_FILE)];                                                                             \
        };                                                                                                              \
        /* Filled up to a word, which the zeros of the last part take. */                                               \
        union IrqlogSiteWords {                                                                                         \
            struct IrqlogSiteParts Parts;                                                                               \
            unsigned long long Words[(sizeof(struct IrqlogSiteParts) + 7) / 8];                                         \
        };                                                                                                              \
        __declspec(allocate(".irqs$m")) static const union IrqlogSiteWords IrqlogSite = {                               \
            {{IRQLOG_SITE_MAGIC, sizeof(union IrqlogSiteWords), __LINE__, EventLevel, IRQLOG_COUNT(__VA_ARGS__) + More, \
              Role, sizeof(IRQLOG_FIRST(__VA_ARGS__)), 0, sizeof(IRQLOG_MODULE), sizeof(IRQLOG_FILE)},                  \
             IRQLOG_FIRST(__VA_ARGS__),                                                                                 \
             IRQLOG_MODULE,                                                                                             \
             IRQLOG_FILE}};                                                                                             \
        IRQLOG_CHECK_FORMAT(IRQLOG_FIRST(__VA_ARGS__), IRQLOG_COUNT(__VA_ARGS__));                                      \
        if ((EventLevel) <= IrqlogLevel()) {                                                                            \
            IRQLOG_WORDS IrqlogWords;                                                                                   \
            IrqlogBegin(&IrqlogWords, IRQLOG_COUNT(__VA_ARGS__) + More);                                                \
            IRQLOG_EXPAND(IRQLOG_PASTE(IRQLOG_PUT_, IRQLOG_COUNT(__VA_ARGS__))(IrqlogWords, __VA_ARGS__))               \
            Put                                                                                                         \
            IrqlogSend(&IrqlogSite.Parts.Header, NeverWaits, &IrqlogWords);                                             \
        }                                                                                                               \
    } while (0)

#define IRQLOG_ERROR(...) IRQLOG_EVENT(IRQLOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define IRQLOG_WARN(...) IRQLOG_EVENT(IRQLOG_LEVEL_WARN, 0, __VA_ARGS__)
#define IRQLOG_INFO(...) IRQLOG_EVENT(IRQLOG_LEVEL_INFO, 0, __VA_ARGS__)
#define IRQLOG_DEBUG(...) IRQLOG_EVENT(IRQLOG_LEVEL_DEBUG, 0, __VA_ARGS__)
#define IRQLOG_TRACE(...) IRQLOG_EVENT(IRQLOG_LEVEL_TRACE, 0, __VA_ARGS__)
/* For NMI and machine-check callbacks: they never wait. */
#define IRQLOG_ERROR_NEVER_WAITS(...) IRQLOG_EVENT(IRQLOG_LEVEL_ERROR, 1, __VA_ARGS__)
#define IRQLOG_WARN_NEVER_WAITS(...) IRQLOG_EVENT(IRQLOG_LEVEL_WARN, 1, __VA_ARGS__)
#define IRQLOG_INFO_NEVER_WAITS(...) IRQLOG_EVENT(IRQLOG_LEVEL_INFO, 1, __VA_ARGS__)
#define IRQLOG_DEBUG_NEVER_WAITS(...) IRQLOG_EVENT(IRQLOG_LEVEL_DEBUG, 1, __VA_ARGS__)
#define IRQLOG_TRACE_NEVER_WAITS(...) IRQLOG_EVENT(IRQLOG_LEVEL_TRACE, 1, __VA_ARGS__)

/* Logs raw bytes under a tag of the caller's choice. IRQL: any; the bytes are read at the caller's IRQL. */
#define IRQLOG_BLOB_BY(Function, BlobLevel, Tag, Bytes, Length)                                                         \
    do {                                                                                                                \
        if ((BlobLevel) <= IrqlogLevel()) {                                                                             \
            IrqlogState.Interface.Function((unsigned char)(BlobLevel), (Tag), (Bytes), (Length));                       \
        }                                                                                                               \
    } while (0)
#define IRQLOG_BLOB(BlobLevel, Tag, Bytes, Length) IRQLOG_BLOB_BY(WriteBlob, BlobLevel, Tag, Bytes, Length)
/* For NMI and machine-check callbacks: it never waits. */
#define IRQLOG_BLOB_NEVER_WAITS(BlobLevel, Tag, Bytes, Length)                                                          \
    IRQLOG_BLOB_BY(WriteBlobNeverWaits, BlobLevel, Tag, Bytes, Length)

/* Logs the begin of a span into Span, an IRQLOG_SPAN, and later its end, on the same thread. IRQL: any.
 *     IRQLOG_BEGIN(IRQLOG_LEVEL_INFO, Span, "round {}", Round);
 *     IRQLOG_END(IRQLOG_LEVEL_INFO, Span);
 * The reader pairs the two. A begin has at most 11 arguments. */
#define IRQLOG_SPAN_OF(SpanLevel, NeverWaits, Span, ...)                                                                \
    do {                                                                                                                \
        (Span).Id = (SpanLevel) <= IrqlogLevel() ? IrqlogNextSpan() : 0;                                                \
        if ((Span).Id != 0) {                                                                                           \
            IRQLOG_EVENT_OF(                                                                                            \
                SpanLevel, NeverWaits, 1, 1,                                                                            \
                IrqlogWord(&IrqlogWords, IRQLOG_COUNT(__VA_ARGS__), IRQLOG_KIND_U64, (Span).Id);, __VA_ARGS__);         \
        }                                                                                                               \
    } while (0)
#define IRQLOG_END_OF(SpanLevel, NeverWaits, Span)                                                                      \
    do {                                                                                                                \
        if ((Span).Id != 0) {                                                                                           \
            IRQLOG_EVENT_OF(SpanLevel, NeverWaits, 2, 0, , "end of span {}", (Span).Id);                                \
        }                                                                                                               \
    } while (0)
#define IRQLOG_BEGIN(SpanLevel, Span, ...) IRQLOG_SPAN_OF(SpanLevel, 0, Span, __VA_ARGS__)
#define IRQLOG_END(SpanLevel, Span) IRQLOG_END_OF(SpanLevel, 0, Span)
#define IRQLOG_BEGIN_NEVER_WAITS(SpanLevel, Span, ...) IRQLOG_SPAN_OF(SpanLevel, 1, Span, __VA_ARGS__)
#define IRQLOG_END_NEVER_WAITS(SpanLevel, Span) IRQLOG_END_OF(SpanLevel, 1, Span)
/* Logs the value of a counter, a number; the name is a literal. IRQL: any. */
#define IRQLOG_COUNTER(CounterLevel, Name, Value) IRQLOG_EVENT_OF(CounterLevel, 0, 3, 0, , Name " = {}", Value)

/* --- Connecting ---------------------------------------------------------------------------------------------------- */

/* Asks irqlog.sys for its function table through a file. IRQL: PASSIVE_LEVEL. */
static __inline NTSTATUS IrqlogAsk(PDEVICE_OBJECT Device, PFILE_OBJECT File) {
    KEVENT Event;
    IO_STATUS_BLOCK Block;
    NTSTATUS Status;
    PIRP Irp;

    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    Irp = IoBuildDeviceIoControlRequest(
        IRQLOG_CONNECT, Device, NULL, 0, &IrqlogState.Interface, sizeof(IrqlogState.Interface), TRUE, &Event, &Block);
    if (Irp == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    /* The request belongs to this file, as a request from user mode does. KMDF does not ask for one (fxpkgio.cpp). */
    IoGetNextIrpStackLocation(Irp)->FileObject = File;
    Status = IoCallDriver(Device, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
        Status = Block.Status;
    }
    return Status;
}

/*
 * Connects to irqlog.sys and registers the sites of this image under a name of at most 64 bytes. If irqlog is not there,
 * or refuses, nothing is logged, and it may be tried again. One caller at a time, as with IrqlogDisconnect.
 *
 * IRQL: PASSIVE_LEVEL. Returns STATUS_OBJECT_NAME_NOT_FOUND without irqlog, STATUS_REVISION_MISMATCH if it is older than
 * events, STATUS_UNSUCCESSFUL if it refused the registration: its log says why.
 */
static __inline NTSTATUS IrqlogConnect(const char *Name) {
    static WCHAR DeviceName[] = IRQLOG_DEVICE_NAME;
    IRQLOG_REGISTRATION Registration;
    UNICODE_STRING Device;
    PDEVICE_OBJECT Object;
    PFILE_OBJECT File;
    NTSTATUS Status;

    if (IrqlogState.File != NULL) {
        return STATUS_SUCCESS;
    }
    Device.Buffer = DeviceName;
    Device.Length = sizeof(DeviceName) - sizeof(WCHAR);
    Device.MaximumLength = sizeof(DeviceName);
    Status = IoGetDeviceObjectPointer(&Device, FILE_READ_DATA | FILE_WRITE_DATA, &File, &Object);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = IrqlogAsk(Object, File);
    if (NT_SUCCESS(Status) && IrqlogState.Interface.Size < sizeof(IRQLOG_INTERFACE)) {
        Status = STATUS_REVISION_MISMATCH;
    }
    if (NT_SUCCESS(Status)) {
        Registration.Size = sizeof(Registration);
        Registration.NameLength = 0;
        while (Name[Registration.NameLength] != 0) {
            Registration.NameLength++;
        }
        Registration.Name = Name;
        Registration.Sites = &IrqlogFirst;
        Registration.SitesLength = (SIZE_T)&IrqlogLast + sizeof(IrqlogLast) - (SIZE_T)&IrqlogFirst;
        Registration.Base = &IrqlogState.Base;
        Registration.Level = &IrqlogState.Level;
        if (IrqlogState.Interface.Register(&Registration) != 0) {
            Status = STATUS_UNSUCCESSFUL;
        }
    }
    if (!NT_SUCCESS(Status)) {
        ObDereferenceObject(File);
        return Status;
    }
    IrqlogState.File = File;
    return STATUS_SUCCESS;
}

/*
 * Ends logging, and lets irqlog.sys go. Nothing if the driver is not connected.
 *
 * IRQL: PASSIVE_LEVEL. The driver's ISRs, DPCs, timers, threads and callbacks are quiet: one that is in the middle of an
 * event runs in irqlog.sys, which may be unloaded as soon as this returns.
 */
static __inline VOID IrqlogDisconnect(VOID) {
    PFILE_OBJECT File = IrqlogState.File;
    IrqlogState.Level = 0;
    if (File != NULL) {
        IrqlogState.Interface.Unregister(&IrqlogState.Level);
        IrqlogState.File = NULL;
        ObDereferenceObject(File);
    }
}

#if defined(__cplusplus)
} /* extern "C" */
#endif

#endif
