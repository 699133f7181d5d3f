//! The samples that the network gets most wrong.

use egui::Ui;

use crate::app::theme;
use crate::app::widgets::samples::samples_ui;
use crate::spec::AnswersSeen;

pub fn worst_ui(ui: &mut Ui, answers: &AnswersSeen) {
    let (AnswersSeen::Classes { worst, .. } | AnswersSeen::Values { worst, .. }) = answers;
    if worst.is_empty() {
        ui.label(theme::label(ui, "There are no rows to answer"));
        return;
    }
    let words = match answers {
        AnswersSeen::Classes { .. } => "By the largest cross entropy: the truth, and the answer with its probability",
        AnswersSeen::Values { .. } => "By the largest difference between the true and the predicted value",
    };
    ui.label(theme::hint(ui, words));
    samples_ui(ui, worst, "worst samples");
}
