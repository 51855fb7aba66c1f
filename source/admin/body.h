#pragma once

#include <functional>
#include <string>

namespace sluice::admin {

/**
 * The body of a long answer, made piece by piece as the client takes it. Owned by its exchange, which goes whenever the
 * client does. Admin thread.
 */
class Body {
 public:
  enum class Next {
    More,
    /** Nothing at the moment: `wake` will be called, from the loop, when there is. */
    Later,
    End,
  };

  /** A piece is about this long. */
  static constexpr size_t kPieceBytes = 64 * 1024;

  virtual ~Body() = default;
  /** Appends the next piece: kPieceBytes or what a millisecond gives; it may be empty. */
  virtual Next next(std::string& out) = 0;
  /** Before the first next(). */
  virtual void onWake(std::function<void()> wake) { static_cast<void>(wake); }
};

}  // namespace sluice::admin
