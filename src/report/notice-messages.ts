/** A notice in the forms that chats take. What comes from outside can mention nobody, and hide no link behind a text. */
import { type Notice, noticeText } from './notice.ts';
import type { Note } from './summary.ts';

/** The body of a webhook's request, as JSON. */
export function webhookMessage(notice: Notice, format: 'slack' | 'teams' | 'messageCard'): string {
  const messages = { slack: slackMessage, teams: teamsMessage, messageCard };
  return JSON.stringify(messages[format](notice));
}

/** https://docs.slack.dev/messaging/formatting-message-text#escaping: these three are what links and mentions begin with. */
const SLACK_ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function slackMessage(notice: Notice) {
  return { text: noticeText(notice).replace(/[&<>]/g, (character) => SLACK_ESCAPES[character] ?? '') };
}

/**
 * An Adaptive Card of RichTextBlocks: a TextBlock would take its text for Markdown.
 * https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#send-adaptive-cards-using-an-incoming-webhook,
 * https://adaptivecards.io/explorer/RichTextBlock.html
 */
function teamsMessage({ isFailure, title, meaning, entities, notes, run }: Notice) {
  const block = (text: string, style: object = {}) => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text, ...style }],
  });
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    body: [
      block(title, { weight: 'Bolder', size: 'Medium', color: isFailure ? 'Attention' : 'Good' }),
      block(meaning),
      ...entities.map((line) => block(line)),
      ...notes.map((note) => block(noteLine(note))),
      block(run, { isSubtle: true }),
    ],
  };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }],
  };
}

/** https://learn.microsoft.com/outlook/actionable-messages/message-card-reference */
function messageCard({ isFailure, title, meaning, entities, notes, run }: Notice) {
  const fact = (name: string) => (value: string) => ({ name, value });
  return {
    '@type': 'MessageCard',
    '@context': 'https://schema.org/extensions',
    themeColor: isFailure ? 'C50F1F' : '107C10',
    summary: title,
    title,
    sections: [
      {
        markdown: false,
        text: meaning,
        facts: [...entities.map(fact('Entity')), ...notes.map(noteLine).map(fact('Note')), ...[run].map(fact('Run'))],
      },
    ],
  };
}

function noteLine({ text, hint }: Note): string {
  return hint === undefined ? text : `${text} ${hint}`;
}
