package kinds

// Why a fault has no effect on a reply. The words are a label in the metrics.
const (
	passNoBody   = "no_body"   // such as a reply to HEAD, a 304, an empty one
	passNoLength = "no_length" // of which a part would have to be found
	passShort    = "short"     // it ends before the fault begins
	passNoDelay  = "no_delay"  // nothing is left to wait for
	passNoChange = "no_change" // it is already as the fault would make it
	passTooLarge = "too_large" // to be held in memory
	passNotJSON  = "not_json"
	passPartial  = "partial" // a part of a whole
	passEncoded  = "encoded" // in a way that cannot be undone
)
