//! Every colour, size and font of the window. Pages name tokens, not values.

use std::sync::Arc;

use egui::epaint::text::FontTweak;
use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Frame, Margin, RichText, Stroke,
    Style, TextStyle, Theme, Ui, Visuals,
};
use egui_material_icons::MaterialIcon;

/// Steps of spacing, in points.
pub const SPACE: [f32; 5] = [4.0, 8.0, 12.0, 16.0, 24.0];
/// Height of buttons and fields.
pub const CONTROL_HEIGHT: f32 = 28.0;
/// Corner of cards; controls have 4.
const CARD_CORNER: u8 = 6;
const CONTROL_CORNER: u8 = 4;
/// Opacity of a raw trace behind its smoothed one.
pub const RAW_OPACITY: f32 = 0.35;
/// Tint of a texture that is drawn as it is.
pub const UNTINTED: Color32 = Color32::WHITE;
/// Opacity of a chart's grid.
const GRID_OPACITY: f32 = 0.4;

const SEMIBOLD: &str = "semibold";

/// The colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Window.
    pub base: Color32,
    /// Side panels and bars.
    pub panel: Color32,
    /// Charts, tables, forms.
    pub card: Color32,
    /// Separators.
    pub line: Color32,
    /// Values.
    pub text: Color32,
    /// Labels.
    pub text_soft: Color32,
    /// Hints.
    pub text_faint: Color32,
    /// The one thing to press, selection, focus ring.
    pub accent: Color32,
    pub on_accent: Color32,
    pub good: Color32,
    pub bad: Color32,
    pub warn: Color32,
    /// The edge of fields and buttons, 3:1 on every ground.
    pub edge: Color32,
}

const DARK: Tokens = Tokens {
    base: Color32::from_rgb(0x14, 0x16, 0x1A),
    panel: Color32::from_rgb(0x1A, 0x1D, 0x23),
    card: Color32::from_rgb(0x21, 0x25, 0x2D),
    line: Color32::from_rgb(0x2E, 0x34, 0x40),
    text: Color32::from_rgb(0xE8, 0xEB, 0xF0),
    text_soft: Color32::from_rgb(0xA3, 0xAC, 0xBA),
    text_faint: Color32::from_rgb(0x8A, 0x94, 0xA4),
    accent: Color32::from_rgb(0x5A, 0xA9, 0xFF),
    on_accent: Color32::from_rgb(0x14, 0x16, 0x1A),
    good: Color32::from_rgb(0x4C, 0xC3, 0x8A),
    bad: Color32::from_rgb(0xFF, 0x7A, 0x66),
    warn: Color32::from_rgb(0xF2, 0xB8, 0x4B),
    edge: Color32::from_rgb(0x76, 0x80, 0x90),
};

const LIGHT: Tokens = Tokens {
    base: Color32::from_rgb(0xF6, 0xF7, 0xF9),
    panel: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    card: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    line: Color32::from_rgb(0xDD, 0xE1, 0xE8),
    text: Color32::from_rgb(0x16, 0x19, 0x1F),
    text_soft: Color32::from_rgb(0x4E, 0x58, 0x68),
    text_faint: Color32::from_rgb(0x68, 0x71, 0x80),
    accent: Color32::from_rgb(0x16, 0x68, 0xD6),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    good: Color32::from_rgb(0x0B, 0x7D, 0x4B),
    bad: Color32::from_rgb(0xC4, 0x33, 0x1D),
    warn: Color32::from_rgb(0x9A, 0x62, 0x00),
    edge: Color32::from_rgb(0x84, 0x8D, 0x9B),
};

/// Okabe and Ito 2008, brightened for the dark ground: sky, orange, green, purple, vermilion, yellow, blue, grey.
const RUN_COLOURS: [Color32; 8] = [
    Color32::from_rgb(0x56, 0xB4, 0xE9),
    Color32::from_rgb(0xE6, 0x9F, 0x00),
    Color32::from_rgb(0x2B, 0xB9, 0x8A),
    Color32::from_rgb(0xCC, 0x79, 0xA7),
    Color32::from_rgb(0xE8, 0x66, 0x3C),
    Color32::from_rgb(0xD9, 0xCC, 0x3C),
    Color32::from_rgb(0x4C, 0x7D, 0xD9),
    Color32::from_rgb(0x9A, 0xA3, 0xAF),
];

/// Number of colours that runs can have.
pub const RUN_COLOUR_COUNT: usize = RUN_COLOURS.len();

impl Tokens {
    pub const fn of_theme(theme: Theme) -> Self {
        match theme {
            Theme::Dark => DARK,
            Theme::Light => LIGHT,
        }
    }

    pub fn of(ui: &Ui) -> Self {
        Self::of_theme(if ui.visuals().dark_mode {
            Theme::Dark
        } else {
            Theme::Light
        })
    }

    /// The grid of charts.
    pub fn grid(&self) -> Color32 {
        self.line.gamma_multiply(GRID_OPACITY / 0.4)
    }

    /// Colour number `index` (any number: they repeat) of runs and classes, at least 3:1 on every ground.
    pub fn run(&self, index: usize) -> Color32 {
        let mut colour = RUN_COLOURS[index % RUN_COLOURS.len()];
        while contrast(colour, self.selection()) < 3.0 && luminance(self.card) > 0.5 {
            let [red, green, blue, _] = colour.to_array().map(|part| (f32::from(part) * 0.97) as u8);
            colour = Color32::from_rgb(red, green, blue);
        }
        colour
    }

    /// The ground of what is selected: as much of the accent as lets every text stand 4.5:1 on it.
    pub fn selection(&self) -> Color32 {
        if luminance(self.card) > 0.5 {
            self.card.lerp_to_gamma(self.accent, 0.06)
        } else {
            self.base.lerp_to_gamma(self.accent, 0.15)
        }
    }

    /// A signed figure's colour: better, worse, or neither.
    pub fn signed(&self, better: Option<bool>) -> Color32 {
        match better {
            Some(true) => self.good,
            Some(false) => self.bad,
            None => self.text_soft,
        }
    }

    /// From `low` (0) to the accent (1): matrices and heat maps.
    pub fn heat(&self, share: f32) -> Color32 {
        self.card.lerp_to_gamma(self.accent, share.clamp(0.0, 1.0))
    }

    /// A signed share from -1 (orange) over 0 (the card) to 1 (the accent), safe for the colour-blind; what is no number is
    /// marked as bad.
    pub fn diverging(&self, share: f32) -> Color32 {
        if share.is_nan() {
            return self.bad;
        }
        let end = if share < 0.0 { self.run(1) } else { self.accent };
        self.card.lerp_to_gamma(end, share.abs().min(1.0))
    }

    /// White or black, whichever stands out from `ground`; one of them always stands 4.5:1.
    pub fn text_on(ground: Color32) -> Color32 {
        if contrast(Color32::WHITE, ground) >= contrast(Color32::BLACK, ground) {
            Color32::WHITE
        } else {
            Color32::BLACK
        }
    }
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: Color32) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
}

/// Contrast ratio of two opaque colours (WCAG 2.2), 1 to 21.
pub fn contrast(a: Color32, b: Color32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Fonts and both styles. Call once, before the first frame.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.add_font(egui_material_icons::font_insert());
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme));
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8], tweak: FontTweak| {
        let data = FontData {
            tweak,
            ..FontData::from_static(bytes)
        };
        fonts.font_data.insert(name.to_owned(), Arc::new(data));
    };
    add(
        "inter",
        include_bytes!("../../assets/fonts/Inter-Regular.otf"),
        FontTweak::default(),
    );
    add(
        SEMIBOLD,
        include_bytes!("../../assets/fonts/Inter-SemiBold.otf"),
        FontTweak::default(),
    );
    add(
        "jetbrains-mono",
        include_bytes!("../../assets/fonts/JetBrainsMono-Regular.ttf"),
        FontTweak::default(),
    );
    for (family, font) in [
        (FontFamily::Proportional, "inter"),
        (FontFamily::Monospace, "jetbrains-mono"),
    ] {
        fonts.families.entry(family).or_default().insert(0, font.to_owned());
    }
    let mut bold = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    bold.insert(0, SEMIBOLD.to_owned());
    fonts.families.insert(FontFamily::Name(SEMIBOLD.into()), bold);
    fonts
}

fn style(theme: Theme) -> Style {
    let tokens = Tokens::of_theme(theme);
    let mut style = Style {
        text_styles: [
            (TextStyle::Small, FontId::proportional(11.0)),
            (TextStyle::Body, FontId::proportional(13.0)),
            (TextStyle::Button, FontId::proportional(13.0)),
            (TextStyle::Monospace, FontId::monospace(12.5)),
            (TextStyle::Heading, FontId::new(18.0, FontFamily::Name(SEMIBOLD.into()))),
        ]
        .into(),
        animation_time: 0.1,
        visuals: visuals(theme, &tokens),
        ..Style::default()
    };
    let spacing = &mut style.spacing;
    spacing.item_spacing = egui::vec2(8.0, 6.0);
    spacing.button_padding = egui::vec2(10.0, 4.0);
    spacing.interact_size = egui::vec2(32.0, CONTROL_HEIGHT);
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(16);
    spacing.scroll = egui::style::ScrollStyle::thin();
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.35;
    style
}

fn visuals(theme: Theme, tokens: &Tokens) -> Visuals {
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let corner = CornerRadius::same(CONTROL_CORNER);
    let field = tokens.card.lerp_to_gamma(tokens.base, 0.7);
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(tokens.text_soft);
    visuals.hyperlink_color = tokens.accent;
    visuals.faint_bg_color = tokens.card.lerp_to_gamma(tokens.line, 0.25);
    visuals.extreme_bg_color = field;
    visuals.text_edit_bg_color = Some(field);
    visuals.code_bg_color = tokens.base;
    visuals.warn_fg_color = tokens.warn;
    visuals.error_fg_color = tokens.bad;
    visuals.window_fill = tokens.panel;
    visuals.window_stroke = Stroke::new(1.0, tokens.line);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(CARD_CORNER);
    visuals.panel_fill = tokens.panel;
    visuals.selection.bg_fill = tokens.selection();
    visuals.selection.stroke = Stroke::new(1.5, tokens.accent);
    visuals.slider_trailing_fill = true;
    visuals.striped = false;
    let paint = |fill: Color32, edge: Color32, text: Color32| egui::style::WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, edge),
        corner_radius: corner,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let raised = tokens.card.lerp_to_gamma(tokens.line, 0.7);
    let hovered = tokens.card.lerp_to_gamma(tokens.line, 1.0);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive = paint(tokens.panel, tokens.line, tokens.text);
    widgets.inactive = paint(raised, tokens.line, tokens.text);
    widgets.hovered = paint(hovered, tokens.edge, tokens.text);
    widgets.active = paint(hovered, tokens.accent, tokens.text);
    widgets.open = paint(hovered, tokens.edge, tokens.text);
    visuals
}

/// An icon at its standard size.
pub fn icon(icon: MaterialIcon) -> RichText {
    RichText::new(icon.codepoint).family(icon.font_family()).size(18.0)
}

/// A page's title.
pub fn title(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Heading)
}

/// Semibold text at body size: section heads, the name of a chart.
pub fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(13.0, FontFamily::Name(SEMIBOLD.into())))
}

/// A label beside a value.
pub fn label(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).size(12.0).color(Tokens::of(ui).text_soft)
}

/// A hint: the smallest text.
pub fn hint(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).size(11.0).color(Tokens::of(ui).text_faint)
}

/// A figure: digits of equal width.
pub fn number(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Monospace)
}

/// The one big number of a place.
pub fn big_number(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::monospace(24.0))
}

/// The frame around a chart, a table or a form.
pub fn card(ui: &Ui) -> Frame {
    let tokens = Tokens::of(ui);
    Frame::NONE
        .fill(tokens.card)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(CARD_CORNER))
        .inner_margin(Margin::same(12))
}

/// A panel without an edge of its own.
pub fn panel(ui: &Ui) -> Frame {
    Frame::NONE.fill(Tokens::of(ui).panel).inner_margin(Margin::same(12))
}

/// The one button of a place that is to be pressed.
pub fn primary_button<'a>(ui: &Ui, text: impl egui::IntoAtoms<'a>) -> egui::Button<'a> {
    let tokens = Tokens::of(ui);
    egui::Button::new(text).fill(tokens.accent).stroke(Stroke::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_4_5_and_marks_3_to_1_on_every_ground() {
        for theme in [Theme::Dark, Theme::Light] {
            let tokens = Tokens::of_theme(theme);
            for ground in [tokens.base, tokens.panel, tokens.card, tokens.selection()] {
                let texts = [
                    tokens.text,
                    tokens.text_soft,
                    tokens.text_faint,
                    tokens.good,
                    tokens.bad,
                    tokens.warn,
                ];
                for text in texts {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= 4.5, "{theme:?}: text {text:?} on {ground:?} is {ratio:.2}:1");
                }
                let runs = (0..RUN_COLOUR_COUNT).map(|index| tokens.run(index));
                for mark in runs.chain([tokens.accent, tokens.edge]) {
                    let ratio = contrast(mark, ground);
                    assert!(ratio >= 3.0, "{theme:?}: mark {mark:?} on {ground:?} is {ratio:.2}:1");
                }
            }
            let ratio = contrast(tokens.on_accent, tokens.accent);
            assert!(ratio >= 4.5, "{theme:?}: text on the accent is {ratio:.2}:1");
            for share in 0..=10 {
                let ground = tokens.heat(share as f32 / 10.0);
                let ratio = contrast(Tokens::text_on(ground), ground);
                assert!(ratio >= 4.5, "{theme:?}: text on heat {share} is {ratio:.2}:1");
            }
        }
    }

    #[test]
    fn signed_shares_stand_out_from_zero_and_from_each_other() {
        for theme in [Theme::Dark, Theme::Light] {
            let tokens = Tokens::of_theme(theme);
            assert_eq!(tokens.diverging(0.0), tokens.card);
            for sign in [-1.0, 1.0] {
                assert!(
                    contrast(tokens.diverging(sign), tokens.card) >= 3.0,
                    "{theme:?}: {sign}"
                );
                let contrasts: Vec<f64> = (0..=10)
                    .map(|share| contrast(tokens.diverging(sign * share as f32 / 10.0), tokens.card))
                    .collect();
                assert!(contrasts.is_sorted(), "{theme:?}: {sign}: {contrasts:?}");
            }
            // Orange has more red than blue, the accent more blue than red.
            let [low, high] = [-1.0, 1.0].map(|share| tokens.diverging(share));
            assert!(low.r() > low.b() && high.b() > high.r());
            assert_eq!((tokens.diverging(9.0), tokens.diverging(f32::NAN)), (high, tokens.bad));
        }
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-9);
        assert!((contrast(Color32::from_rgb(0x77, 0x77, 0x77), Color32::WHITE) - 4.478).abs() < 0.01);
    }
}
