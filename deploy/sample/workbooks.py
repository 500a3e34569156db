"""The figures of the two sample workbooks: sheet name to rows, the first row being the header."""

Cell = str | int | float | None
Sheets = dict[str, list[list[Cell]]]

BUDGET_2026: Sheets = {
    "Operating budget": [
        ["Line", "Plan 2026 (k€)", "Actual 2025 (k€)", "Owner", "Remark"],
        [
            "Income from sales",
            23900,
            22600,
            "Joss Kerridge",
            "Includes the Calder Moor trail, which is invoiced in four parts",
        ],
        ["Income from rental", 8200, 7500, "Femi Ashdown", "Assumes that 68 % of the fleet is on hire on average"],
        ["Income from service", 1400, 1300, "Anneke Dray", None],
        ["Total income", 33500, 31400, None, None],
        [
            "Materials",
            11850,
            11240,
            "Tomasz Brackley",
            "Larch is planned at the prices of November 2025, without a reserve",
        ],
        ["Salaries", 10420, 9890, "Saskia Thorne", "Contains a pay rise of 3.1 % from 1 April"],
        ["Subcontractors", 2380, 2270, "Tomasz Brackley", None],
        ["Transport and crane hire", 1960, 1905, "Femi Ashdown", None],
        ["Premises", 1140, 1010, "Ines Vale-Corrin", "Six weeks of double rent in Vessen during the move"],
        ["Information technology", 690, 610, "Marit Solheim-Baird", None],
        ["Travel", 380, 395, "all departments", None],
        ["Marketing", 310, 290, "Joss Kerridge", "One trade fair fewer than in 2025"],
        ["Insurance", 275, 260, "Ines Vale-Corrin", None],
        ["Training", 215, 170, "Saskia Thorne", "1,250 euros for each apprentice and 900 for everyone else who asks"],
        ["Total cost", 29620, 28040, None, None],
        ["Operating result", 3880, 3360, None, None],
    ],
    "Capital": [
        ["Project", "Amount (k€)", "Quarter", "Sponsor", "State", "Remark"],
        [
            "Joinery line, five axes",
            640,
            "Q3",
            "Tomasz Brackley",
            "approved",
            "Replaces the saw of 2011, which is to be sold for parts",
        ],
        [
            "Solar roof, hall 2",
            185,
            "Q2",
            "Tomasz Brackley",
            "approved",
            "Expected to cover a quarter of the electricity used at Hethermouth",
        ],
        ["Two Pelican sets for rental", 78, "Q2", "Femi Ashdown", "ordered", "At production cost"],
        [
            "Trackers for the rental fleet",
            58,
            "Q2",
            "Femi Ashdown",
            "ordered",
            "106 units with tilt sensor and five years of data",
        ],
        [
            "Electric forklift, Pell Quay",
            46,
            "Q4",
            "Femi Ashdown",
            "on hold",
            "Wait for the result of the grid connection study",
        ],
        ["Total", 1007, None, None, None, None],
    ],
    "Headcount": [
        ["Department", "31 March 2026", "Plan 31 December 2026", "Remark"],
        ["Works", 61, 64, "Two joiners and one welder for the new line"],
        ["Engineering", 19, 20, "One structural engineer, advertised since February"],
        ["Rental and depot", 34, 35, None],
        ["Sales and installation, Vessen", 18, 19, None],
        ["Finance, people, IT", 16, 16, None],
        ["Total", 148, 154, None],
    ],
}

RENTAL_FLEET: Sheets = {
    "Summary week 23": [
        ["Bridge", "Owned", "On hire", "Ready", "In repair bay"],
        ["Wren", 42, 29, 10, 3],
        ["Heron", 38, 30, 5, 3],
        ["Crane", 17, 14, 2, 1],
        ["Pelican", 9, 6, 2, 1],
        ["Total", 106, 79, 19, 8],
    ],
    "In repair bay": [
        ["Serial number", "Built", "In since", "Fault", "Expected ready"],
        ["WR-06-0117", 2018, "2026-05-26", "Deck boards burned, nine pieces", "2026-06-09"],
        ["WR-06-0142", 2019, "2026-06-01", "Serial plate missing, identity being checked", "2026-06-12"],
        ["WR-06-0203", 2022, "2026-06-02", "Ramp hinge bent by a quad bike", "2026-06-16"],
        ["HE-12-0098", 2016, "2026-05-11", "Truss weld cracked, to be decided whether it is scrapped", None],
        [
            "HE-12-0176",
            2021,
            "2026-05-29",
            "Both hinges changed to polymer bushings, waiting for the load test",
            "2026-06-10",
        ],
        ["HE-12-0214", 2024, "2026-06-03", "Graffiti on both handrails", "2026-06-08"],
        ["CR-18-0039", 2020, "2026-05-20", "Bearing plate corroded after use in sea water", "2026-06-19"],
        ["PE-24-0007", 2023, "2026-05-18", "Pontoon 5 leaks; a new one is on order from the tank maker", "2026-07-03"],
    ],
    "Rules": [
        ["Topic", "Rule"],
        ["Age", "A rental bridge is sold at the end of its twelfth season at the latest"],
        ["Reserve", "One Heron always stays at Pell Quay as a reserve for emergencies and is not hired out"],
        ["Washing", "A bridge that stood in a river or lake is dried for two days before it goes to another water"],
        ["Sale price", "Used bridges are offered to employees first, for two weeks, at 35 % of the list price"],
    ],
}
