package site

import "html/template"

// livePages returns the page that shows what make watch sees. Its script fills in the parts of look/live.html.
func livePages() ([]*Page, error) {
	body, err := look.ReadFile("look/live.html")
	if err != nil {
		return nil, err
	}
	return []*Page{{
		Address: "live.html", Title: "Your progress, live", Kind: "live", Scripts: []string{"live-page.js"},
		Summary: "What make watch sees of your program, on this machine.",
		Body:    template.HTML(body),
	}}, nil
}
