"""From numbers to words and pictures: Markdown, HTML and the comment on a pull request."""
