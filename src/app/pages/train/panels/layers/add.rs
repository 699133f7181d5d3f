//! The menu of layers that can be added, those that do not fit the place with the reason.

use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Button, PopupCloseBehavior, ScrollArea, Ui, vec2};

use super::{Chain, add_button, row};
use crate::app::theme;
use crate::app::widgets::field;
use crate::app::widgets::network::layer_about;
use crate::spec::{ActivationKind, CellKind, LayerSpec, PaddingKind, PositionKind, Shape};

/// Of one of the two columns.
const WIDTH: f32 = 264.0;

/// Every kind of layer, in groups, as it comes into the list; a residual block comes as its two ends.
fn kinds() -> [(&'static str, Vec<LayerSpec>); 4] {
    let (stride, padding) = (1, PaddingKind::Same);
    [
        (
            "With weights",
            vec![
                LayerSpec::Dense { units: 32 },
                LayerSpec::Conv2d {
                    filters: 16,
                    kernel: 3,
                    stride,
                    padding,
                },
                LayerSpec::DepthwiseConv2d {
                    kernel: 3,
                    stride,
                    padding,
                },
                LayerSpec::Conv1d {
                    filters: 32,
                    kernel: 3,
                    stride,
                    padding,
                },
                LayerSpec::Recurrent {
                    cell: CellKind::Gru,
                    units: 32,
                    bidirectional: false,
                    sequence: false,
                },
                LayerSpec::SelfAttention {
                    heads: 4,
                    head_width: None,
                },
                LayerSpec::Embedding { dimensions: 32 },
            ],
        ),
        (
            "Between them",
            vec![
                LayerSpec::Activation {
                    function: ActivationKind::Relu,
                },
                LayerSpec::BatchNorm,
                LayerSpec::LayerNorm,
                LayerSpec::Dropout { probability: 0.2 },
                LayerSpec::Branch,
            ],
        ),
        (
            "Fewer values",
            vec![
                LayerSpec::MaxPool { size: 2 },
                LayerSpec::GlobalAveragePool,
                LayerSpec::Flatten,
                LayerSpec::FirstStep,
            ],
        ),
        (
            "Another view of the data",
            vec![
                LayerSpec::Rows,
                LayerSpec::Patches { size: 4 },
                LayerSpec::Positions {
                    encoding: PositionKind::Learned,
                },
                LayerSpec::ClassToken,
            ],
        ),
    ]
}

/// The button with its menu; the place of what was added.
pub fn add_ui(ui: &mut Ui, chain: &Chain, selected: Option<usize>, layers: &mut Vec<LayerSpec>) -> Option<usize> {
    let place = selected.map_or(layers.len(), |selected| selected + 1);
    let input = chain.input_of(place);
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClick);
    let mut added = None;
    let (response, _) = MenuButton::from_button(add_button()).config(config).ui(ui, |ui| {
        ui.set_width(2.0 * WIDTH + theme::SPACE[1]);
        let where_to = match selected {
            Some(selected) => format!("after layer {selected}"),
            None => "at the end".to_owned(),
        };
        let at = input.map_or_else(String::new, |shape| format!(", on {shape}"));
        ui.label(theme::hint(ui, format!("Comes {where_to}{at}")));
        let height = (ui.ctx().content_rect().height() - 200.0).max(160.0);
        ScrollArea::vertical().max_height(height).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                let [first, second, third, fourth] = kinds();
                for groups in [[first, third], [second, fourth]] {
                    ui.vertical(|ui| {
                        ui.set_width(WIDTH);
                        ui.spacing_mut().item_spacing.y = 1.0;
                        for (group, kinds) in groups {
                            ui.add_space(4.0);
                            ui.label(theme::hint(ui, group));
                            let chosen = kinds.into_iter().filter(|layer| entry_ui(ui, *layer, input));
                            added = chosen.last().or(added);
                        }
                    });
                }
            });
        });
    });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Add layer"));
    let layer = added?;
    layers.insert(place, layer);
    if layer == LayerSpec::Branch {
        layers.insert(place + 1, LayerSpec::Sum);
    }
    Some(place)
}

/// A kind with what it does, or why it does not fit here; true when it was chosen.
fn entry_ui(ui: &mut Ui, layer: LayerSpec, input: Option<Shape>) -> bool {
    let problem = input.and_then(|input| layer.output(input).err());
    let name = match layer {
        LayerSpec::Branch => "residual block",
        _ => row::title(&layer),
    };
    let about = match layer {
        LayerSpec::Branch => "what stands between branch and sum is added to what came in".to_owned(),
        LayerSpec::Activation { .. } => "bends the values, so that layers can do more than sums".to_owned(),
        _ => layer_about(Some(layer)),
    };
    let mut text = egui::text::LayoutJob::default();
    let style = std::sync::Arc::clone(ui.style());
    let (base, top) = (egui::FontSelection::Default, egui::Align::Min);
    let title = egui::RichText::new(format!("{}\n", field::sentence(name))).size(13.0);
    title.append_to(&mut text, &style, base.clone(), top);
    let words = problem.as_deref().unwrap_or(&about);
    theme::hint(ui, words).append_to(&mut text, &style, base, top);
    let button = Button::new(text)
        .frame_when_inactive(false)
        .wrap()
        .min_size(vec2(WIDTH - 12.0, 0.0));
    let response = ui.add_enabled(problem.is_none(), button);
    response.accessible_name(format!("Add {name}")).clicked()
}
