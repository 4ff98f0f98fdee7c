//! The macros of `irqlog_provider`, which re-exports and documents them.
//!
//! A log call becomes a static, the site; and, where its level is enabled, a row of words on the stack:
//!
//! ```text
//! info!("port {port} status {:#x}", status)
//!   the site      "port {port} status {:#x}", names ",port", level, module, file, line
//!   the words     2 arguments: kinds of `status` and `port`; status; port
//! ```
//!
//! Arguments are numbered as in `format!`: first the arguments given by position, then those given by name, then the
//! captured ones, in the order in which the format names them.
//!
//! The expansion is hygienic as that of `format!` is. Names in a macro's items and patterns can be taken for those of
//! the caller, as only labels and variables have hygiene on a stable compiler. So the expansion binds no variable, and
//! its one item, the static of the site, lies in a block of its own in which no argument is evaluated:
//!
//! ```text
//! if $crate::is_enabled(const { LEVEL }) {
//!     $crate::private::log({ static IRQLOG_SITE: .. = ..; &IRQLOG_SITE }, const { LEVEL }, (&status, (&port, ())), false)
//! }
//! ```
//!
//! The level of `event!` is the caller's too, and is part of the site: the static gets a name that the level does not
//! have. Everything else is a path that begins with the `$crate` of the macro that was called, so that
//! `irqlog_provider` may be renamed and re-exported.

use irqlog_wire::{
    event::{MAX_ARGUMENTS, head_words},
    format::{Count, Hole, Piece, Style, Which, pieces},
    site::SiteRole,
};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Error, Expr, Lit, Result, Token,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _},
    punctuated::Punctuated,
    spanned::Spanned,
};

/// A parsed log call: the crate of the macro, level, whether the call never waits, format, arguments.
struct Call {
    /// What its events stand for, as the site says it.
    role: SiteRole,
    krate: TokenStream,
    level: TokenStream,
    never_waits: bool,
    format: Format,
    arguments: Vec<Argument>,
}

/// The format: a string literal, or a `concat!` of literals.
struct Format {
    text: String,
    span: Span,
    /// Whether it may name variables: those of a macro's result are whose?
    captures: bool,
}

struct Argument {
    name: Option<Ident>,
    value: Expr,
    is_used: bool,
}

impl Parse for Call {
    /// `$crate; LEVEL; ` and what stands between the parentheses of the macro that was called.
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let krate = until_semicolon(input)?;
        let level = until_semicolon(input)?;
        Self::parse_call(krate, level, input)
    }
}

/// The tokens in front of a semicolon.
fn until_semicolon(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.peek(Token![;]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    input.parse::<Token![;]>()?;
    Ok(tokens)
}

/// The variable that a format means by a name: `r#type` if the name is a keyword. Nothing if there can be none.
fn variable(name: &str, span: Span) -> Option<Ident> {
    let mut variable = match syn::parse_str::<Ident>(name) {
        Ok(ident) => ident,
        Err(_) if name == "self" => Ident::new(name, span),
        Err(_) if ["_", "Self", "crate", "super"].contains(&name) => return None,
        Err(_) => Ident::parse_any.parse_str(name).map(|keyword| Ident::new_raw(&keyword.to_string(), span)).ok()?,
    };
    variable.set_span(span);
    Some(variable)
}

impl Parse for Format {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let expected = |span| Error::new(span, "the format is a string literal, or a `concat!` of literals");
        let start = input.span();
        match input.parse::<Expr>().map_err(|error| expected(error.span()))? {
            expr if concatenated(&expr).is_some() => {
                let Some(macro_call) = concatenated(&expr) else { return Err(expected(start)) };
                let mut text = String::new();
                concatenate(macro_call, &mut text)?;
                Ok(Self { text, span: start, captures: false })
            }
            expr => match literal(&expr) {
                Some(Lit::Str(format)) => Ok(Self { text: format.value(), span: format.span(), captures: true }),
                _ => Err(expected(expr.span())),
            },
        }
    }
}

/// The literal that an expression is. A `$format:literal` of the caller's macro comes in a group without delimiters.
fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// The call of `concat!` that an expression is.
fn concatenated(expr: &Expr) -> Option<&syn::Macro> {
    match expr {
        Expr::Macro(call) if is_named(&call.mac, "concat") => Some(&call.mac),
        Expr::Group(group) => concatenated(&group.expr),
        _ => None,
    }
}

/// Whether it is the macro of `core` that has this name.
fn is_named(call: &syn::Macro, name: &str) -> bool {
    call.path.segments.last().is_some_and(|segment| segment.ident == name)
}

/// Writes what a call of `concat!` becomes. A procedural macro is not told what other macros become.
fn concatenate(call: &syn::Macro, text: &mut String) -> Result<()> {
    for part in call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)? {
        concatenate_part(&part, text)?;
    }
    Ok(())
}

/// Writes a literal, a negative number, or a macro whose result is known.
fn concatenate_part(part: &Expr, text: &mut String) -> Result<()> {
    match (part, literal(part)) {
        (_, Some(Lit::Str(part))) => text.push_str(&part.value()),
        (_, Some(Lit::Char(part))) => text.push(part.value()),
        (_, Some(Lit::Int(part))) => text.push_str(part.base10_digits()),
        (_, Some(Lit::Float(part))) => text.push_str(&part.to_string().replace('_', "")),
        (_, Some(Lit::Bool(part))) => text.push_str(if part.value { "true" } else { "false" }),
        (Expr::Group(group), _) => concatenate_part(&group.expr, text)?,
        (Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr, .. }), _) => {
            text.push('-');
            concatenate_part(expr, text)?;
        }
        (Expr::Macro(call), _) if is_named(&call.mac, "concat") => concatenate(&call.mac, text)?,
        (Expr::Macro(call), _) if is_named(&call.mac, "stringify") => text.push_str(&call.mac.tokens.to_string()),
        _ => {
            let what = "in a format, `concat!` takes literals, `concat!` and `stringify!`";
            return Err(Error::new(part.span(), what));
        }
    }
    Ok(())
}

/// Whether an identifier stands somewhere in the tokens.
fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident.unraw() == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

impl Call {
    fn parse_call(krate: TokenStream, level: TokenStream, input: ParseStream<'_>) -> Result<Self> {
        let never_waits = input.peek(syn::Ident) && input.peek2(Token![,]);
        if never_waits {
            let word: Ident = input.parse()?;
            if word != "never_waits" {
                return Err(Error::new(
                    word.span(),
                    "here may only stand `never_waits`, or the format, which is a string literal",
                ));
            }
            input.parse::<Token![,]>()?;
        }
        let format = input.parse()?;
        let mut arguments = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            // As in `format!`, a name may be a keyword.
            let name = if input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
                let name = Ident::parse_any(input)?.unraw();
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
        Ok(Self { role: SiteRole::Event, krate, level, never_waits, format, arguments })
    }

    fn error(&self, what: &str) -> Error {
        Error::new(self.format.span, what)
    }

    /// The number of the argument that `which` names. A name that no argument has is captured from the caller's scope.
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
                if !self.format.captures {
                    let what = format!("a format made by a macro captures nothing: give it as `{name} = ..`");
                    return Err(self.error(&what));
                }
                let variable = variable(name, self.format.span)
                    .ok_or_else(|| self.error(&format!("`{name}` cannot be captured")))?;
                let value = syn::parse2(quote!(#variable))?;
                self.arguments.push(Argument { name: Some(variable.unraw()), value, is_used: true });
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
        let format = self.format.text.clone();
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
        // The pair id of a span is one too.
        let most = MAX_ARGUMENTS - usize::from(self.role == SiteRole::Begin);
        if self.arguments.len() > most {
            return Err(self.error(&format!("an event has at most {most} arguments")));
        }
        Ok(if self.role == SiteRole::Begin {
            self.span_tokens(&format, &checks)
        } else {
            self.log_tokens(&format, &checks)
        })
    }

    /// Names of the arguments, as a site has them.
    fn names(&self) -> Vec<String> {
        let name = |argument: &Argument| argument.name.as_ref().map(ToString::to_string).unwrap_or_default();
        self.arguments.iter().map(name).collect()
    }

    /// The arguments as pairs, each passed through the functions that check its type.
    fn pairs(&self, checks: &[(usize, Ident)]) -> TokenStream {
        let krate = &self.krate;
        // What is wrong with an argument is said where it stands. The functions give back what they are given.
        let mut arguments = quote!(());
        for (index, argument) in self.arguments.iter().enumerate().rev() {
            let (value, span) = (&argument.value, argument.value.span());
            let mut checked = quote!(&(#value));
            for (_, check) in checks.iter().filter(|(checked, _)| *checked == index) {
                checked = quote_spanned!(span=> #krate::private::#check(#checked));
            }
            arguments = quote!((#checked, #arguments));
        }
        arguments
    }

    /// The static of a site, in a block that gives a reference to it.
    fn site(&self, role: SiteRole, format: &str, names: &[String]) -> TokenStream {
        let Self { krate, level, .. } = self;
        let count = names.len() as u8;
        let names = if names.iter().all(String::is_empty) { String::new() } else { names.join(",") };
        let mut site = "IRQLOG_SITE".to_owned();
        while mentions(level.clone(), &site) {
            site.push('_');
        }
        let site = Ident::new(&site, Span::mixed_site());
        let file = quote!(#krate::private::source_path(
            #krate::private::file!(),
            [
                #krate::private::option_env!("IRQLOG_ROOT"),
                #krate::private::option_env!("CARGO_MANIFEST_DIR"),
                #krate::private::option_env!("OUT_DIR"),
            ],
        ));
        let parts = quote!([#format, #names, #krate::private::module_path!(), #file]);
        let role = (role != SiteRole::Event).then_some(role.0).map(|role| quote!(.with_role(#role)));
        quote! {{
            #[cfg_attr(unix, unsafe(link_section = "irqlog_sites"))]
            #[cfg_attr(not(unix), unsafe(link_section = ".irqs$m"))]
            static #site: #krate::private::SiteBytes<{ #krate::private::site_size(#parts) }> =
                #krate::private::SiteBytes::new(#level, #count, #krate::private::line!(), #parts)#role;
            &#site
        }}
    }

    /// Room for the words of an event with that number of arguments.
    const fn words(count: usize) -> usize {
        head_words(count) + 2 * count
    }

    fn log_tokens(&self, format: &str, checks: &[(usize, Ident)]) -> TokenStream {
        let Self { role, krate, level, never_waits, .. } = self;
        let (site, arguments) = (self.site(*role, format, &self.names()), self.pairs(checks));
        let words = Self::words(self.arguments.len());
        quote! {{
            if #krate::is_enabled(const { #level }) {
                #krate::private::log::<#words, _, _>(#site, const { #level }, #arguments, #never_waits,);
            }
        }}
    }

    /// A guard: the begin is logged where it is made, with the pair id as one more argument.
    fn span_tokens(&self, format: &str, checks: &[(usize, Ident)]) -> TokenStream {
        let Self { krate, level, never_waits, .. } = self;
        let mut names = self.names();
        names.push("span".to_owned());
        let begin = self.site(SiteRole::Begin, format, &names);
        let end = self.site(SiteRole::End, "end of span {span}", &["span".to_owned()]);
        let (arguments, words) = (self.pairs(checks), Self::words(names.len()));
        quote! {
            #krate::Span::new(
                #end,
                const { #level },
                #never_waits,
                if #krate::is_enabled(const { #level }) {
                    #krate::private::begin::<#words, _, _>(#begin, const { #level }, #arguments, #never_waits)
                } else {
                    0
                },
            )
        }
    }
}

/// The function of `irqlog_provider::private` that compiles only for types that can be shown in this notation.
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

/// The macro that each macro of `irqlog_provider` calls: `call!($crate; LEVEL; never_waits, "format", arguments)`.
#[proc_macro]
pub fn call(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(syn::parse(input))
}

fn expand_as(role: SiteRole, input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(syn::parse(input).map(|call| Call { role, ..call }))
}

/// As [`call`], for a counter, whose value is the only argument.
#[proc_macro]
pub fn counter(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_as(SiteRole::Counter, input)
}

/// As [`call`], for a span: what it gives is the guard.
#[proc_macro]
pub fn span(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_as(SiteRole::Begin, input)
}

#[cfg(test)]
#[allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]
mod tests {
    use super::*;

    /// The expansion of a log call, or the error that the compiler reports.
    fn call(text: &str) -> Result<String> {
        let call: Call = syn::parse_str(&format!("::irqlog_provider; ::irqlog_provider::Level::Info; {text}"))?;
        call.expand().map(|tokens| tokens.to_string())
    }

    #[test]
    fn arguments_are_numbered_as_format_numbers_them() {
        let code = call(r#""{} {named} {captured} {1} {captured}", first, second, named = third"#).unwrap();
        assert!(code.contains(r#"{captured}" , ",,named,captured" ,"#), "{code}");
        let order =
            ["& (first)", "& (second)", "& (third)", "& (captured)"].map(|argument| code.find(argument).unwrap());
        assert!(order.is_sorted(), "{code}");
        assert!(code.contains("log :: < 9usize ,"), "{code}");
        let nothing = call(r#""no arguments""#).unwrap();
        assert!(nothing.contains(r#""no arguments" , "" ,"#) && nothing.contains("log :: < 1usize ,"), "{nothing}");
        let keywords = call(r#""{type} {self} {match}", r#match = value"#).unwrap();
        let order = ["& (value)", "& (r#type)", "& (self)"].map(|argument| keywords.find(argument).unwrap());
        assert!(order.is_sorted() && keywords.contains(r#", "match,type,self" ,"#), "{keywords}");
        let concatenated =
            call(r#"concat!("a {", 0, ":", 'x', "} ", ::core::concat!(-1.5, true, stringify!(b))), value"#);
        let concatenated = concatenated.unwrap();
        assert!(concatenated.contains(r#""a {0:x} -1.5trueb""#), "{concatenated}");
        let raised = call(r#"never_waits, "{:width$.p$}", value, p = 2,"#).unwrap();
        assert!(raised.contains(", true ,"), "{raised}");
        assert_eq!(raised.matches(":: count (").count(), 2, "{raised}");
    }

    #[test]
    fn the_site_has_a_name_that_the_level_does_not_have() {
        let call: Call = syn::parse_str("facade; { IRQLOG_SITE + IRQLOG_SITE_ }; \"text\"").unwrap();
        let code = call.expand().unwrap().to_string();
        assert!(code.contains("static IRQLOG_SITE__ : facade :: private :: SiteBytes"), "{code}");
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
            assert!(code.contains(&format!("private :: {check} (& (value))")), "{style}: {code}");
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
            (r#"concat!("{", name, "}"), 1"#, "`concat!` takes literals"),
            (r#"concat!("{", "port}")"#, "captures nothing: give it as `port = ..`"),
            (r#""{crate}""#, "`crate` cannot be captured"),
            (r#""{}" a"#, "expected `,`"),
            (&many, "at most 23 arguments"),
        ] {
            let error = call(wrong).expect_err(wrong).to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
