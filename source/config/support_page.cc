#include "source/config/support_page.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "source/config/type_registry.h"

namespace sluice::config {
namespace {

constexpr absl::string_view kIntroduction =
    "# What Sluice supports of the xDS API\n"
    "\n"
    "<!-- Written from api/support.txt by `bazel run //source/config:support_table`; edit that file. -->\n"
    "\n"
    "A field that is set and not supported is refused: the resource, or the bootstrap file, is rejected with the "
    "field's\n"
    "path. A field that is ignored has no effect, and the note says why that does no harm; Sluice logs it once and "
    "counts\n"
    "it. Messages that are not listed here are refused wherever they are met. The rules that the protos carry\n"
    "(`validate.rules`) are always enforced.\n";

std::string codeList(const std::vector<std::string>& words) {
  return absl::StrJoin(words, ", ",
                       [](std::string* out, const std::string& word) { absl::StrAppend(out, "`", word, "`"); });
}

std::string verdict(const FieldSupport& field) {
  switch (field.support) {
    case Support::Supported:
      return "supported";
    case Support::Limited:
      return absl::StrCat("only ", codeList(field.values));
    case Support::Carried:
      return "kept, not looked into";
    case Support::Offered:
      return "supported";
    case Support::Ignored:
      return "ignored";
    case Support::Refused:
      return "refused";
  }
  return "";
}

void appendMessage(const MessageSupport& message, std::string& out) {
  absl::StrAppend(&out, "\n### ", message.name, "\n\n");
  const google::protobuf::Descriptor* type = findMessage(message.name);
  std::vector<std::string> plain;
  std::vector<std::string> unnamed;
  for (int i = 0; type != nullptr && i < type->field_count(); ++i) {
    const std::string& name = type->field(i)->name();
    const FieldSupport& field = message.field(name);
    if (field.support == Support::Supported && field.note.empty()) {
      plain.push_back(name);
    } else if (field.support == Support::Refused && field.note.empty()) {
      unnamed.push_back(name);
    }
  }
  if (type != nullptr && type->field_count() == 0) {
    out.append("Supported; it has no fields.\n");
  } else if (plain.size() == static_cast<size_t>(type != nullptr ? type->field_count() : -1)) {
    absl::StrAppend(&out, "Supported, with all its fields: ", codeList(plain), ".\n");
    return;
  } else if (!plain.empty()) {
    absl::StrAppend(&out, "Supported: ", codeList(plain), ".\n");
  }
  bool header = false;
  for (const std::string& name : message.order) {
    const FieldSupport& field = message.field(name);
    if (field.note.empty() && (field.support == Support::Supported || field.support == Support::Refused)) {
      continue;
    }
    if (!header) {
      absl::StrAppend(&out, plain.empty() ? "" : "\n", "| field | | note |\n| --- | --- | --- |\n");
      header = true;
    }
    absl::StrAppend(&out, "| `", name, "` | ", verdict(field), " | ", field.note, " |\n");
  }
  if (!unnamed.empty()) {
    absl::StrAppend(&out, plain.empty() && !header ? "" : "\n", "Refused: ", codeList(unnamed), ".\n");
  }
}

}  // namespace

std::string supportPage(const SupportTable& table) {
  std::string out(kIntroduction);
  for (const SupportTable::Section& section : table.sections()) {
    absl::StrAppend(&out, "\n## ", section.title, "\n");
    for (const std::string& name : section.messages) {
      appendMessage(*table.find(name), out);
    }
  }
  return out;
}

}  // namespace sluice::config
