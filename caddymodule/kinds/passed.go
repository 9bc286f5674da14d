package kinds

// The reasons why a fault has no effect on a reply. Each is a label value in the
// metrics.
const (
	passNoBody   = "no_body"   // HEAD, 204, 304, an empty body
	passNoLength = "no_length" // has no Content-Length, and the fault needs one
	passShort    = "short"     // ends before the fault begins
	passNoDelay  = "no_delay"  // the wait is zero or has ended
	passNoChange = "no_change" // is already as the fault would make it
	passTooLarge = "too_large" // above max_size or max_event
	passNotJSON  = "not_json"
	passNotText  = "not_text"  // not UTF-8
	passNoMember = "no_member" // the JSON does not have what the patch names
	passNoPlace  = "no_place"  // nothing in the JSON can change, or no more
	passStream   = "stream"    // a stream of events, which may have no end
	passPartial  = "partial"   // a part of a whole (206)
	passEncoded  = "encoded"   // compressed, and the fault cannot read it
	passUpgraded = "upgraded"  // switches protocols (101)
	passNoStream = "no_stream" // not a stream of a known format

	passNoTrailers = "no_trailers" // has no trailers to drop, or cannot have any
	passProtocol   = "protocol"    // the protocol of the request has no such thing
)

// passWithinQuota is the reason of a request that a quota lets pass.
const passWithinQuota = "within_quota"

// The reasons why a fault has only a part of its effect.
const (
	passNoCode       = "no_code"       // the protocol or the server cannot send the code
	passNoConnection = "no_connection" // the connection cannot be reached
)
