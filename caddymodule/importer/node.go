package importer

// kind is the type of a value in YAML or JSON.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

// kindNames are the kinds as errors name them.
var kindNames = [...]string{null: "null", boolean: "true or false", number: "a number", text: "a text", list: "a list", object: "an object"}

// node is a value in a file.
type node struct {
	text     string  // of a scalar, as written
	children []child // of a list or an object
	line     int32
	kind     kind
}

// child is an element of a list, or a member of an object.
type child struct {
	name string // empty in a list
	line int32  // of the name
	node
}

// find returns the member with a name, or nil.
func (n *node) find(name string) *child {
	if n == nil || n.kind != object {
		return nil
	}
	for i := range n.children {
		if n.children[i].name == name {
			return &n.children[i]
		}
	}
	return nil
}

// anyChild reports whether a check holds for an element or a member.
func (n *node) anyChild(check func(c *child) bool) bool {
	for i := range n.children {
		if check(&n.children[i]) {
			return true
		}
	}
	return false
}

// has reports whether an object has a member that is not null.
func (n *node) has(name string) bool {
	found := n.find(name)
	return found != nil && found.kind != null
}

// textOf returns the text of a member, or "" if it is not a scalar.
func (n *node) textOf(name string) string {
	if found := n.find(name); found != nil && found.kind != null && found.kind < list {
		return found.text
	}
	return ""
}

// The bounds of a file.
const (
	maxFile    = 16 << 20 // bytes
	maxAliased = 100_000  // nodes that aliases add
	maxDepth   = 100      // objects and lists within one another
)
