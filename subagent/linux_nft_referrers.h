// SPDX-License-Identifier: GPL-2.0-or-later
// Rules and map elements that refer to a counter or a quota. The kernel neither sets the values of such an object nor deletes it
// while something refers to it; but in one transaction all of that can step aside, and stand where it stood when the object is
// new.
#pragma once

#include "subagent/linux_nft.h"
#include "subagent/resources.h"

namespace vmmig {

/// Adds the commands to the transaction, at Step::dropReferrers and Step::addReferrers. `kind`: "counter", "quota". What the
/// transaction drops otherwise (a chain of the VM) is left to that.
Status letReferrersStepAside(Nft& nft, NftTransaction& transaction, const std::string& kind, const NftName& object);

}  // namespace vmmig
