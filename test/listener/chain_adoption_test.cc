#include "source/listener/chain_adoption.h"

#include "gtest/gtest.h"

namespace sluice::listener {
namespace {

using Ids = std::vector<uint64_t>;

ChainIdentity chain(uint64_t id, const std::string& name, const std::string& source, const std::string& structure) {
  ChainIdentity made;
  made.id = id;
  made.name = name;
  if (!source.empty()) {
    made.rule.source_prefixes.push_back(*IpPrefix::create(source, 32));
  }
  made.structural_key = config::contentKey(structure);
  return made;
}

TEST(ChainAdoption, KeepsWhatIsEqual) {
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A"), chain(2, "two", "2.2.2.2", "A")},
                        {chain(0, "one", "1.1.1.1", "A"), chain(0, "two", "2.2.2.2", "A")}),
            (Ids{1, 2}));
}

TEST(ChainAdoption, DoesNotCareForTheOrder) {
  EXPECT_EQ(adoptChains({chain(1, "", "1.1.1.1", "A"), chain(2, "", "2.2.2.2", "A")},
                        {chain(0, "", "2.2.2.2", "A"), chain(0, "", "1.1.1.1", "A")}),
            (Ids{2, 1}));
}

TEST(ChainAdoption, LetsGoOfWhatIsMadeOtherwise) {
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A"), chain(2, "two", "2.2.2.2", "A")},
                        {chain(0, "one", "1.1.1.1", "A"), chain(0, "two", "2.2.2.2", "B")}),
            (Ids{1, 0}));
}

TEST(ChainAdoption, FollowsAMatchToAnotherNameAndANameToAnotherMatch) {
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A")}, {chain(0, "uno", "1.1.1.1", "A")}), (Ids{1}));
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A")}, {chain(0, "one", "9.9.9.9", "A")}), (Ids{1}));
}

TEST(ChainAdoption, TakesAnEqualChainFromAnywhereElse) {
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A")}, {chain(0, "uno", "9.9.9.9", "A")}), (Ids{1}));
}

TEST(ChainAdoption, SwappedStructuresAreTwoChanges) {
  // Connections that came to "one" belong to B now; that "two" is what "one" was makes them no part of it.
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A"), chain(2, "two", "2.2.2.2", "B")},
                        {chain(0, "one", "1.1.1.1", "B"), chain(0, "two", "2.2.2.2", "A")}),
            (Ids{0, 0}));
}

TEST(ChainAdoption, ARemovedChainIsNotMergedIntoAnEqualOne) {
  EXPECT_EQ(adoptChains({chain(1, "one", "1.1.1.1", "A"), chain(2, "two", "2.2.2.2", "A")},
                        {chain(0, "one", "1.1.1.1", "A")}),
            (Ids{1}));
}

TEST(ChainAdoption, TheDefaultChainIsAChainOfItsOwn) {
  ChainIdentity old_default = chain(1, "", "", "A");
  old_default.is_default = true;
  ChainIdentity new_default = chain(0, "", "", "A");
  new_default.is_default = true;
  EXPECT_EQ(adoptChains({old_default, chain(2, "", "", "A")}, {chain(0, "", "", "A"), new_default}), (Ids{2, 1}));
}

TEST(ChainAdoption, ALivingChainIsNearerThanADrainingOne) {
  // The manager lists draining ones last.
  EXPECT_EQ(adoptChains({chain(5, "one", "1.1.1.1", "A"), chain(3, "one", "1.1.1.1", "A")},
                        {chain(0, "one", "1.1.1.1", "A")}),
            (Ids{5}));
}

}  // namespace
}  // namespace sluice::listener
