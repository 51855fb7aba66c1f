#include "source/access_log/format.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "source/config/nearest.h"

namespace sluice::access_log {
namespace {

absl::Status mistake(size_t at, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("at character ", at + 1, ": ", what));
}

std::string unknownOperator(absl::string_view name, const OperatorTable& table) {
  std::vector<std::string> names;
  for (const Operator& op : table.all()) {
    names.emplace_back(op.name);
  }
  return absl::StrCat("there is no operator %", name, "%", config::didYouMean(name, names));
}

/** The index of the ')' that ends an argument: the last one before the operator's '%' or ":LENGTH%". */
size_t endOfArgument(absl::string_view text, size_t open) {
  for (size_t close = text.find(')', open); close != absl::string_view::npos; close = text.find(')', close + 1)) {
    const char next = close + 1 < text.size() ? text[close + 1] : '\0';
    if (next == '%' || next == ':') {
      return close;
    }
  }
  return absl::string_view::npos;
}

}  // namespace

absl::StatusOr<Format> Format::parse(absl::string_view text, const OperatorTable& table, bool omit_empty_values) {
  Format format;
  format.omit_empty_values_ = omit_empty_values;
  std::string literal;
  const auto endLiteral = [&format, &literal] {
    if (!literal.empty()) {
      Piece piece;
      piece.argument.text = std::move(literal);
      format.pieces_.push_back(std::move(piece));
      literal.clear();
    }
  };
  size_t at = 0;
  while (at < text.size()) {
    if (text[at] != '%') {
      literal += text[at++];
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == '%') {
      literal += '%';
      at += 2;
      continue;
    }
    const size_t start = at++;
    const size_t name_end = text.find_first_of("(:%", at);
    if (name_end == absl::string_view::npos) {
      return mistake(start, "an operator has no closing '%'");
    }
    const absl::string_view name = text.substr(at, name_end - at);
    const Operator* const op = table.find(name);
    if (op == nullptr) {
      return mistake(start, unknownOperator(name, table));
    }
    if (op->append == nullptr) {
      return mistake(start, absl::StrCat("the operator %", name, "% is not supported: ", op->help));
    }
    Piece piece;
    piece.append = op->append;
    piece.append_json = op->append_json;
    at = name_end;
    if (text[at] == '(') {
      const size_t close = endOfArgument(text, at);
      if (close == absl::string_view::npos) {
        return mistake(at, "an argument has no closing ')'");
      }
      if (op->argument == Argument::None) {
        return mistake(at, absl::StrCat("the operator %", name, "% takes no argument"));
      }
      piece.argument.text = std::string(text.substr(at + 1, close - at - 1));
      if (piece.argument.text.empty() && op->argument == Argument::Required) {
        return mistake(start, absl::StrCat("the operator %", name, "% needs an argument"));
      }
      at = close + 1;
    } else if (op->argument == Argument::Required) {
      return mistake(start, absl::StrCat("the operator %", name, "% needs an argument"));
    }
    if (at < text.size() && text[at] == ':') {
      const size_t end = text.find('%', at);
      uint64_t length = 0;
      if (end == absl::string_view::npos || !absl::SimpleAtoi(text.substr(at + 1, end - at - 1), &length)) {
        return mistake(at, "after ':' comes a length");
      }
      piece.max_length = length;
      at = end;
    }
    if (at >= text.size() || text[at] != '%') {
      return mistake(start, "an operator has no closing '%'");
    }
    ++at;
    if (op->prepare != nullptr) {
      const absl::Status status = op->prepare(piece.argument, table);
      if (!status.ok()) {
        return mistake(start, status.message());
      }
    }
    endLiteral();
    format.pieces_.push_back(std::move(piece));
  }
  endLiteral();
  return format;
}

void Format::append(const LogContext& context, std::string& out) const {
  for (const Piece& piece : pieces_) {
    if (piece.append == nullptr) {
      out += piece.argument.text;
      continue;
    }
    const size_t before = out.size();
    if (!piece.append(context, piece.argument, out)) {
      out.resize(before);
      if (!omit_empty_values_) {
        out += '-';
      }
    } else if (out.size() - before > piece.max_length) {
      out.resize(before + piece.max_length);
    }
  }
}

}  // namespace sluice::access_log
