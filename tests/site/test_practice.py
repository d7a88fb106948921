"""Question index, claims on trial, quiz and glossary, as a reader uses them."""

import csv
import json
from urllib.parse import unquote

import data_files
import pytest
from built import NOTEBOOKS, PAGES, SITE, elements
from playwright.sync_api import expect

FOLDER = "chapters/practice"
INDEX, TRIAL, QUIZ, GLOSSARY = (
    f"{FOLDER}/{name}.html" for name in ("question-index", "claims-on-trial", "quiz", "glossary")
)
LISTS = {INDEX: "#questions", TRIAL: "#claims", QUIZ: "#quiz", GLOSSARY: "#terms"}
PHONE = {"width": 360, "height": 800}


def rows(page):
    return page.locator(".rows > li:visible")


def status(page):
    return page.locator("form.filter [role=status]")


def field(page, name):
    """A field above the list."""
    return page.locator(f"form.filter [name={name}]")


# --- filters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", LISTS)
def test_the_list_is_complete_without_a_script(visit, address):
    with visit(address, java_script_enabled=False) as page:
        expect(page.locator("form.filter")).to_be_hidden()
        assert rows(page).count() == page.locator(f"{LISTS[address]} .rows > li").count() > 0


def test_search_by_keyboard_on_a_phone(visit):
    with visit(INDEX, **PHONE) as page:
        total = rows(page).count()
        assert total == len(data_files.load("questions"))
        field(page, "q").focus()
        page.keyboard.type("receptive ResNet")
        expect(status(page)).to_have_text(f"1 of {total} questions")
        expect(rows(page)).to_contain_text("receptive field of ResNet-50")
        page.keyboard.press("Control+A")
        page.keyboard.type("感受野")
        expect(rows(page).first).to_contain_text("感受野")
        page.keyboard.press("Control+A")
        page.keyboard.type("nothing is called so")
        expect(status(page)).to_have_text(f"0 of {total} questions")
        assert page.locator("#questions section:visible").count() == 0  # no heading without a row


def test_the_state_is_in_the_address_and_comes_back_from_it(visit):
    with visit(INDEX) as page:
        field(page, "part").select_option("convolution")
        field(page, "has-a-claim").select_option("refuted")
        field(page, "q").fill("dilated 卷积")
        page.wait_for_function("location.hash.includes('q=')")
        shown, address = rows(page).all_inner_texts(), page.url
        assert shown
    with visit(f"{INDEX}{address[address.index('#') :]}") as page:
        assert rows(page).all_inner_texts() == shown
        assert field(page, "q").input_value() == "dilated 卷积"
        page.get_by_role("button", name="Show all").press("Enter")
        expect(status(page)).to_contain_text("313 of 313")
        assert "#" not in page.url
        page.evaluate("location.hash = 'part=nowhere&kind=code'")  # an address that somebody typed
        expect(field(page, "kind")).to_have_value("code")
        expect(field(page, "part")).to_have_value("")


def test_each_choice_keeps_the_rows_it_says(visit):
    questions = data_files.load("questions")
    with visit(INDEX) as page:
        field(page, "kind").select_option("multiple choice")
        assert rows(page).count() == sum(question["kind"] == "multiple choice" for question in questions)
        field(page, "kind").select_option("any")
        field(page, "in-the-notes").select_option("left empty")
        field(page, "answer").select_option("not written yet")
        wanted = [q for q in questions if q["in_notes"] == "none" and "anchor" not in q]
        assert rows(page).count() == len(wanted)


@pytest.mark.parametrize("address", [INDEX, TRIAL])
def test_filtering_is_quick(visit, address):
    """Script, style and layout of one keystroke, in milliseconds."""
    with visit(address) as page:
        times = page.evaluate("""() => {
          const field = document.querySelector("form.filter input");
          return [..."abcdefghij"].map((letter) => {
            const start = performance.now();
            field.value = letter;
            field.dispatchEvent(new Event("input", { bubbles: true }));
            document.body.offsetHeight;
            return performance.now() - start;
          });
        }""")
    assert sorted(times)[len(times) // 2] < 50


# --- claims on trial ---------------------------------------------------------------------------------------------


def test_a_count_leads_to_the_claims_it_counts(visit):
    with visit(TRIAL, **PHONE) as page:
        link = page.locator(".tally a[href='#source=notes-003&verdict=refuted']")
        count = int(link.inner_text())
        link.click()
        expect(status(page)).to_contain_text(f"{count} of ")
        assert rows(page).count() == count
        expect(rows(page).first).to_contain_text("✗ refuted")


def test_every_claim_of_every_chapter_is_on_trial():
    boxes = [
        f"{page.removeprefix('chapters/').removesuffix('.html')}#{e.attributes['id']}"
        for page in NOTEBOOKS
        if page in PAGES and "/intro" not in page
        for e in elements(page)
        if e.has_class("claim")
    ]
    data = json.loads((SITE / FOLDER / "claims-on-trial.json").read_text(encoding="utf-8"))
    assert [f"{claim['chapter']}#{claim['anchor']}" for claim in data] == boxes
    with (SITE / FOLDER / "claims-on-trial.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == data
    links = [
        unquote(e.attributes["href"]) for e in elements(TRIAL) if e.tag == "a" and "#claim-" in e.attributes["href"]
    ]
    assert [link.removeprefix("../").replace(".html", "") for link in links] == boxes


# --- quiz --------------------------------------------------------------------------------------------------------


def answer(page, row, *, right):
    """Answer a question of one right option by keyboard, from its first option: arrows move, Enter checks."""
    wanted = int(row.locator("form").get_attribute("data-right"))
    target = wanted if right else (wanted + 1) % row.locator("input").count()
    row.locator("input").first.focus()
    page.keyboard.press("Space")
    for _ in range(target):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def test_quiz_by_keyboard_remembers_and_forgets(visit):
    with visit(QUIZ, **PHONE) as page:
        single = page.locator("#quiz li:has(input[type=radio])")
        answer(page, single.nth(0), right=True)
        expect(single.nth(0).get_by_role("status")).to_contain_text("Right")
        expect(single.nth(0).locator("details")).to_have_attribute("open", "")
        answer(page, single.nth(1), right=False)
        expect(single.nth(1).get_by_role("status")).to_contain_text("Not quite")
        counts = page.locator(".progress-by-part tbody tr").first.locator("td")
        expect(counts.nth(0)).to_have_text("1")
        expect(counts.nth(1)).to_have_text("1")
        page.reload()
        expect(counts.nth(0)).to_have_text("1")
        field(page, "state").select_option("wrong")
        assert rows(page).count() == 1
        page.get_by_role("button", name="Forget my answers").press("Enter")
        expect(counts.nth(0)).to_have_text("0")
        assert page.evaluate("localStorage.getItem('answers-that-run.quiz')") == "{}"


def test_several_right_options_must_all_be_ticked(visit):
    with visit(QUIZ) as page:
        row = page.locator("#quiz li:has(input[type=checkbox])").first
        right = row.locator("form").get_attribute("data-right").split()
        row.get_by_role("button", name="Check").click()
        expect(row.get_by_role("status")).to_have_text("Choose an answer first.")
        row.locator("input").nth(int(right[0])).check()
        row.get_by_role("button", name="Check").click()
        expect(row.get_by_role("status")).to_contain_text("Not quite")
        for option in right[1:]:
            row.locator("input").nth(int(option)).check()
        expect(row.get_by_role("status")).to_have_text("")  # a changed answer is not the one that was checked
        row.get_by_role("button", name="Check").click()
        expect(row.get_by_role("status")).to_contain_text("Right")


def test_quiz_works_where_nothing_may_be_remembered(visit):
    with visit(QUIZ) as page:
        page.add_init_script("""
          const { getItem, setItem } = Storage.prototype;
          const refuse = (key) => { if (key.startsWith("answers-that-run")) throw new Error("refused"); };
          Storage.prototype.getItem = function (key) { refuse(key); return getItem.call(this, key); };
          Storage.prototype.setItem = function (key, value) { refuse(key); setItem.call(this, key, value); };
        """)
        page.reload()
        row = page.locator("#quiz li:has(input[type=radio])").first
        answer(page, row, right=True)
        expect(row.get_by_role("status")).to_contain_text("Right")


# --- glossary ----------------------------------------------------------------------------------------------------


def test_glossary_answers_in_both_languages(visit):
    with visit(GLOSSARY, **PHONE) as page:
        for word in ("non-maximum", "非极大值抑制"):
            field(page, "q").fill(word)
            expect(rows(page).first).to_contain_text("非极大值抑制")


def test_first_use_in_a_chapter_leads_to_the_term(visit):
    with visit("chapters/convolution/receptive-field.html") as page:
        link = page.locator("a.in-glossary").first
        word = link.inner_text()
        assert page.locator("a.in-glossary", has_text=word).count() == 1
        link.click()
        page.wait_for_url("**/glossary.html#term-*")
        row = page.locator(f"[id='{page.url.partition('#')[2]}']")
        expect(row).to_be_in_viewport()
        assert word.lower() in row.inner_text().lower()


# --- a candidate's way -------------------------------------------------------------------------------------------


def test_from_the_landing_page_to_a_refuted_claim_and_the_quiz(visit):
    with visit("chapters/intro.html", **PHONE) as page:
        page.locator("article a[href*='question-index']").first.click()
        field(page, "q").fill("receptive ResNet-50")
        rows(page).get_by_role("link").click()
        page.wait_for_url("**/receptive-field.html#receptive-field-resnet50")
        expect(page.locator(".claim-refuted").first).to_be_attached()
        page.goto(f"{SITE.as_uri()}/{TRIAL}#verdict=refuted&part=convolution")
        field(page, "q").fill("ResNet-50")
        rows(page).first.get_by_role("link").click()
        page.wait_for_url("**/*.html#claim-*")
        expect(page.locator(f"[id='{page.url.partition('#')[2]}']")).to_be_in_viewport()
