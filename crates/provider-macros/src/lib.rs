//! The macros of `irqlog_provider`, whose documentation has them.
//!
//! A call becomes a static, the site, and, if its level is enabled, a row of words on the stack:
//!
//! ```text
//! info!("port {port} status {:#x}", status)
//!   the site      "port {port} status {:#x}", names ",port", level, module, file, line
//!   the words     2 arguments: kinds of `status` and `port`; status; port
//! ```
//!
//! Arguments are numbered as in `format!`: those given by position, those given by name, then those captured, in the order
//! in which the format names them.

use irqlog_wire::{
    event::{MAX_ARGUMENTS, head_words},
    format::{Count, Hole, Piece, Style, Which, pieces},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Error, Expr, LitStr, Result, Token,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

/// Level and never-waits, format, arguments.
struct Call {
    level: TokenStream,
    never_waits: bool,
    format: LitStr,
    arguments: Vec<Argument>,
}

struct Argument {
    name: Option<Ident>,
    value: Expr,
    is_used: bool,
}

struct WithLevel(Call);

impl Parse for WithLevel {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let level: Expr = input.parse()?;
        input.parse::<Token![,]>()?;
        Call::parse(quote!(#level), input).map(Self)
    }
}

impl Call {
    fn parse(level: TokenStream, input: ParseStream<'_>) -> Result<Self> {
        let never_waits = input.peek(syn::Ident) && input.peek2(Token![,]);
        if never_waits {
            let word: Ident = input.parse()?;
            if word != "never_waits" {
                return Err(Error::new(word.span(), "here may only stand `never_waits`, or the format"));
            }
            input.parse::<Token![,]>()?;
        }
        let format: LitStr =
            input.parse().map_err(|error| Error::new(error.span(), "the format is a string literal"))?;
        let mut arguments = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let name = if input.peek(syn::Ident) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
                let name: Ident = input.parse()?;
                input.parse::<Token![=]>()?;
                Some(name)
            } else {
                None
            };
            if let (None, Some(Argument { name: Some(before), .. })) = (&name, arguments.last()) {
                return Err(Error::new(
                    input.span(),
                    format!("an argument by position behind `{before}`, one by name"),
                ));
            }
            arguments.push(Argument { name, value: input.parse()?, is_used: false });
        }
        Ok(Self { level, never_waits, format, arguments })
    }

    fn error(&self, what: &str) -> Error {
        Error::new(self.format.span(), what)
    }

    /// The number of the argument that is meant; captured if the format names one that is not there.
    fn find(&mut self, which: Which<'_>, next: &mut usize, explicit: usize) -> Result<usize> {
        let index = match which {
            Which::Next => {
                *next += 1;
                *next - 1
            }
            Which::Index(index) => index,
            Which::Name(name) => {
                let found =
                    self.arguments.iter().position(|argument| argument.name.as_ref().is_some_and(|own| own == name));
                if let Some(index) = found {
                    self.arguments[index].is_used = true;
                    return Ok(index);
                }
                let ident: Ident =
                    syn::parse_str(name).map_err(|_| self.error(&format!("`{name}` cannot be captured")))?;
                let ident = Ident::new(&ident.to_string(), self.format.span());
                let value = syn::parse2(quote!(#ident))?;
                self.arguments.push(Argument { name: Some(ident), value, is_used: true });
                return Ok(self.arguments.len() - 1);
            }
        };
        let there = explicit;
        match self.arguments.get_mut(index).filter(|_| index < explicit) {
            Some(argument) => argument.is_used = true,
            None => return Err(self.error(&format!("the format takes argument {index}, and there are {there}"))),
        }
        Ok(index)
    }

    fn expand(mut self) -> Result<TokenStream> {
        let format = self.format.value();
        let explicit = self.arguments.len();
        let mut next = 0;
        let mut checks = Vec::new();
        for piece in pieces(&format) {
            let piece = piece.map_err(|wrong| self.error(&format!("at byte {}: {}", wrong.offset, wrong.what)))?;
            let Piece::Hole(Hole { argument, width, precision, style, .. }) = piece else { continue };
            // `.*` takes its precision before the value.
            for count in [precision, width].into_iter().flatten() {
                if let Count::Argument(which) = count {
                    let index = self.find(which, &mut next, explicit)?;
                    checks.push((index, format_ident!("count")));
                }
            }
            let index = self.find(argument, &mut next, explicit)?;
            checks.push((index, check(style)));
        }
        if let Some(unused) = self.arguments.iter().find(|argument| !argument.is_used) {
            return Err(Error::new_spanned(&unused.value, "the format does not use this argument"));
        }
        if self.arguments.len() > MAX_ARGUMENTS {
            return Err(self.error(&format!("an event has at most {MAX_ARGUMENTS} arguments")));
        }
        Ok(self.tokens(&format, &checks))
    }

    fn tokens(&self, format: &str, checks: &[(usize, Ident)]) -> TokenStream {
        let Self { level, never_waits, .. } = self;
        let count = self.arguments.len();
        let each: Vec<_> = self
            .arguments
            .iter()
            .map(|argument| argument.name.as_ref().map(ToString::to_string).unwrap_or_default())
            .collect();
        let names = if each.iter().all(String::is_empty) { String::new() } else { each.join(",") };
        let values = self.arguments.iter().map(|argument| &argument.value);
        // What is wrong with an argument is said where it stands.
        let bound: Vec<_> = (0..)
            .zip(&self.arguments)
            .map(|(index, argument)| {
                Ident::new(&format!("argument_{index}"), argument.value.span().resolved_at(Span::mixed_site()))
            })
            .collect();
        let bounds = checks.iter().map(|(index, check)| {
            let argument = &bound[*index];
            let span = argument.span();
            quote_spanned!(span=> ::irqlog_provider::private::#check(#argument);)
        });
        let words = head_words(count) + 2 * count;
        let arguments = count as u8;
        quote! {{
            const LEVEL: ::irqlog_provider::Level = #level;
            const FORMAT: &str = #format;
            const NAMES: &str = #names;
            const SIZE: usize = ::irqlog_provider::private::site_size([FORMAT, NAMES, ::core::module_path!(), ::core::file!()]);
            #[cfg_attr(unix, unsafe(link_section = "irqlog_sites"))]
            #[cfg_attr(not(unix), unsafe(link_section = ".irqs$m"))]
            static SITE: ::irqlog_provider::private::Site<SIZE> = ::irqlog_provider::private::Site::new(
                LEVEL, #arguments, ::core::line!(), [FORMAT, NAMES, ::core::module_path!(), ::core::file!()],
            );
            if ::irqlog_provider::is_enabled(LEVEL) {
                match (#(&(#values),)*) {
                    (#(#bound,)*) => {
                        #(#bounds)*
                        let mut words = ::irqlog_provider::private::Words::<#words>::new();
                        words.head(&[#(::irqlog_provider::private::kind(#bound)),*]);
                        #(::irqlog_provider::private::put(#bound, &mut words);)*
                        ::irqlog_provider::private::send(SITE.start(), LEVEL, &words, #never_waits);
                    }
                }
            }
        }}
    }
}

/// The function that only takes what can be shown so.
fn check(style: Style) -> Ident {
    let name = match style {
        Style::Display => "display",
        Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex => "debug",
        Style::LowerHex | Style::UpperHex | Style::Octal | Style::Binary => "radix",
        Style::LowerExp | Style::UpperExp => "exponent",
        Style::Pointer => "pointer",
    };
    Ident::new(name, Span::call_site())
}

fn expand(call: Result<Call>) -> proc_macro::TokenStream {
    call.and_then(Call::expand).unwrap_or_else(|error| error.to_compile_error()).into()
}

macro_rules! levels {
    ($($(#[$meta:meta])* $name:ident = $level:ident,)+) => {$(
        $(#[$meta])*
        #[proc_macro]
        pub fn $name(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
            let level = quote!(::irqlog_provider::Level::$level);
            expand(syn::parse::Parser::parse(|input: ParseStream<'_>| Call::parse(level, input), input))
        }
    )+};
}

levels! {
    /// Logs that something failed. IRQL: any.
    error = Error,
    /// Logs that something is wrong but was coped with. IRQL: any.
    warn = Warn,
    /// Logs that something worth knowing happened. IRQL: any.
    info = Info,
    /// Logs detail for whoever debugs the driver. IRQL: any.
    debug = Debug,
    /// Logs a step. IRQL: any.
    trace = Trace,
}

/// Logs at a level that stands before the format, and is a constant. IRQL: any.
#[proc_macro]
pub fn event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(syn::parse(input).map(|WithLevel(call)| call))
}

#[cfg(test)]
#[allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]
mod tests {
    use super::*;

    /// What a call becomes, or what is said to be wrong with it.
    fn call(text: &str) -> Result<String> {
        let level = quote!(::irqlog_provider::Level::Info);
        let parser = |input: ParseStream<'_>| Call::parse(level, input);
        let call = syn::parse::Parser::parse_str(parser, text)?;
        call.expand().map(|tokens| tokens.to_string())
    }

    #[test]
    fn arguments_are_numbered_as_format_numbers_them() {
        let code = call(r#""{} {named} {captured} {1} {captured}", first, second, named = third"#).unwrap();
        assert!(code.contains(r#"NAMES : & str = ",,named,captured""#), "{code}");
        assert!(code.contains("(first) , & (second) , & (third) , & (captured) ,"), "{code}");
        assert!(code.contains("Words :: < 9usize > :: new"), "{code}");
        let nothing = call(r#""no arguments""#).unwrap();
        assert!(nothing.contains(r#"NAMES : & str = "" ;"#) && nothing.contains("Words :: < 1usize >"), "{nothing}");
        let raised = call(r#"never_waits, "{:width$.p$}", value, p = 2,"#).unwrap();
        assert!(raised.contains("LEVEL , & words , true"), "{raised}");
        assert_eq!(raised.matches(":: count (").count(), 2, "{raised}");
    }

    #[test]
    fn each_style_has_its_check() {
        for (style, check) in [
            ("", "display"),
            ("?", "debug"),
            ("x?", "debug"),
            ("#X", "radix"),
            ("o", "radix"),
            ("E", "exponent"),
            ("p", "pointer"),
        ] {
            let code = call(&format!("\"{{:{style}}}\", value")).unwrap();
            assert!(code.contains(&format!("private :: {check} (argument_0)")), "{style}: {code}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many = format!("\"{}\"{}", "{}".repeat(24), ", x".repeat(24));
        for (wrong, said) in [
            (r#""{}""#, "takes argument 0, and there are 0"),
            (r#""{2}", a, b"#, "takes argument 2, and there are 2"),
            (r#""{} {}", a"#, "takes argument 1, and there are 1"),
            (r#""{:.*}", a"#, "takes argument 1, and there are 1"),
            (r#""text", a"#, "does not use this argument"),
            (r#""{0}", a, named = b"#, "does not use this argument"),
            (r#""{named}", named = a, b"#, "behind `named`, one by name"),
            (r#""{:y}", a"#, "at byte 0: this is no format"),
            (r#""a {""#, "at byte 2: a `{` without its `}`"),
            (r#"sometimes, "{}", a"#, "here may only stand `never_waits`"),
            ("text", "the format is a string literal"),
            (r#""{}" a"#, "expected `,`"),
            (&many, "at most 23 arguments"),
        ] {
            let error = call(wrong).expect_err(wrong).to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
