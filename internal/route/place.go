package route

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Lines tells on which lines of a rule file its members stand.
type Lines struct{ root ast.Node }

// NewLines reads a rule file that [ParseRules] takes. Of anything else it knows no
// line.
func NewLines(source []byte) Lines {
	file, err := parser.ParseBytes(source, 0)
	if err != nil || len(file.Docs) == 0 {
		return Lines{}
	}
	return Lines{file.Docs[0].Body}
}

// Of is the line of a member, given by the names and indices that lead to it, or
// of the last of them that is there; 0 if none is.
func (l Lines) Of(path ...any) (line int) {
	node := l.root
	for _, step := range path {
		next, at := child(node, step)
		if next == nil {
			return line
		}
		node, line = next, at
	}
	return line
}

// child is a member of a mapping or sequence, and its line; nil if it has none
// such.
func child(node ast.Node, step any) (next ast.Node, line int) {
	switch step := step.(type) {
	case string:
		var values []*ast.MappingValueNode
		switch n := node.(type) {
		case *ast.MappingNode:
			values = n.Values
		case *ast.MappingValueNode:
			values = []*ast.MappingValueNode{n}
		}
		for _, v := range values {
			if key := v.Key.GetToken(); key.Value == step {
				return v.Value, key.Position.Line
			}
		}
	case int:
		if n, ok := node.(*ast.SequenceNode); ok && step < len(n.Values) {
			// Of {column: …} the node's own token is the colon.
			token := n.Values[step].GetToken()
			if v, ok := n.Values[step].(*ast.MappingValueNode); ok {
				token = v.Key.GetToken()
			}
			return n.Values[step], token.Position.Line
		}
	}
	return nil, 0
}

// PresetSource is the text of a rule file that orgcast ships.
func PresetSource(name string) ([]byte, error) {
	source, err := presets.ReadFile("preset/" + name + ".yaml")
	if err != nil {
		return nil, noPreset(name)
	}
	return source, nil
}

// Credential tells whether a column's values are, or by its name look like, what
// opens a door: it is sent only if its rule says that it is none, or not at all.
func Credential(table, column string) (looks, never bool) {
	bare := bareName(table)
	for _, t := range deniedTables {
		never = never || strings.EqualFold(t, bare)
	}
	return looksSecret(column), never || denied(bare, column)
}
